//! Idle connections, and the limits on the number of connections.

use std::net::{IpAddr, Ipv4Addr};

use test_support::{CROWDED, CoreApp, CoreBuilder, Kept, crowds_are_closed, granted, until};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Opens connections from an address until one is closed instead of served.
async fn fill(app: &CoreApp, from: IpAddr, most: usize) -> Vec<Kept> {
    let mut kept = Vec::new();
    while let Some(connection) = Kept::open(from, app.server.address()).await {
        kept.push(connection);
        assert!(kept.len() <= most, "more than {most} connections of {from} are open");
    }
    kept
}

fn limited(name: &str, value: &str) -> CoreBuilder {
    CoreApp::builder().env(name, value)
}

#[tokio::test]
async fn sockets_that_ask_for_nothing_are_closed_and_cost_nobody_else() {
    let builder = CoreApp::builder().env("DB_POOL_MIN", "4").env("DB_POOL_MAX", "4");
    let app = CROWDED.iter().fold(builder, |builder, (name, value)| builder.env(name, *value)).start().await;
    let staff = app.staff();
    crowds_are_closed(&app.server, async || {
        granted(staff.patient_list().send().await, 200);
    })
    .await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let app = limited("CONNECTIONS_PER_ADDRESS", "20").start().await;
    let kept = fill(&app, HERE, 20).await;
    assert!(!kept.is_empty());
    let other = Kept::open(ELSEWHERE, app.server.address()).await;
    assert!(other.is_some(), "another address is served");
    drop(kept);
    until("places are free again", CoreApp::PATIENCE, || Kept::open(HERE, app.server.address())).await;
    let refused = app.server.metric("http_connections_refused_total{reason=\"address\"}").await;
    assert!(refused >= 1.0, "refusals are counted");
}

#[tokio::test]
async fn proxies_have_as_many_as_there_are_and_the_total_is_bounded() {
    let app = limited("CONNECTIONS_PER_ADDRESS", "5")
        .env("TRUSTED_PROXIES", "127.0.0.1/32")
        .env("CONNECTIONS_MAX", "40")
        .start()
        .await;
    let kept = fill(&app, HERE, 40).await;
    assert!(kept.len() > 5, "a proxy stands for many");
    assert!(Kept::open(ELSEWHERE, app.server.address()).await.is_none(), "there is no place for anybody");
    drop(kept);
    until("places are free again, and others have as many as one may have", CoreApp::PATIENCE, || async {
        (fill(&app, ELSEWHERE, 5).await.len() == 5).then_some(())
    })
    .await;
}
