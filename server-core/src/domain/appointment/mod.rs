mod api;
mod booking;
mod columns;
mod error;
mod event;
mod holdings;
mod model;
mod repository;
mod reschedule;
mod row;
mod series;
mod service;
mod status;
mod table;
mod title;
mod transition;

pub(crate) use booking::{
    TemplateBooking, Wanted, holds_expire, offer_make, offer_release, offer_withdraw, patient_of,
};
pub(crate) use error::AppointmentError;
pub(crate) use event::{AppointmentEvent, AppointmentSeriesEvent, HoldEnd};
pub(crate) use holdings::HOLDINGS;
pub(crate) use model::{Appointment, AppointmentFilter};
pub(crate) use service::Service;
pub(crate) use status::AppointmentStatus;
pub(crate) use table::AppointmentColumn;

/// Operations on appointments.
pub(crate) type Api =
    (api::Api, booking::BookingApi, transition::TransitionApi, reschedule::RescheduleApi, series::SeriesApi);

impl Service {
    /// Returns the operations of the service.
    pub(crate) fn api(self) -> Api {
        (
            api::Api { appointments: self.clone() },
            booking::BookingApi { appointments: self.clone() },
            transition::TransitionApi { appointments: self.clone() },
            reschedule::RescheduleApi { appointments: self.clone() },
            series::SeriesApi { appointments: self },
        )
    }
}
