//! Both services together.

use restartix_sdk::telemetry;

use crate::{Actor, CoreApp, CoreBuilder, TelemetryApp, granted};

/// Core, and the Telemetry it forwards its audit trail to.
#[derive(Debug)]
pub struct Clinic {
    /// Core.
    pub core: CoreApp,
    /// Telemetry.
    pub telemetry: TelemetryApp,
}

impl Clinic {
    /// Starts both.
    pub async fn start() -> Self {
        Self::start_with(CoreApp::builder()).await
    }

    /// Starts both, with a Core that deviates from the default.
    pub async fn start_with(core: CoreBuilder) -> Self {
        let telemetry = TelemetryApp::start().await;
        let core = core.env("TELEMETRY_INTERNAL_URL", telemetry.url()).start().await;
        Self { core, telemetry }
    }

    /// A client of Telemetry's for a person, with a token that Core gave.
    pub async fn telemetry_of(&self, actor: &Actor) -> telemetry::Client {
        let token = granted(actor.me_telemetry_token_create().send().await, 201);
        self.telemetry.client(&token.token)
    }
}
