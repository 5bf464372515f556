//! The errors that whole kinds of requests share, for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::schema::Ref;
use utoipa::openapi::{RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::error::ErrorBody;

type Responses = BTreeMap<String, RefOr<Response>>;

fn responses(refusals: &[(&str, &str)]) -> Responses {
    let schema = Ref::from_schema_name(ErrorBody::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = |description: &str| {
        ResponseBuilder::new().description(description).content("application/json", content.clone()).build()
    };
    refusals.iter().map(|(status, text)| ((*status).to_owned(), response(text).into())).collect()
}

const NOBODY: (&str, &str) = ("401", "Nobody is signed in (`unauthenticated`).");
const NO_CSRF: (&str, &str) = ("403", "A write by cookie without its `X-CSRF-Token` (`csrf_required`).");
const NOT_ALLOWED: (&str, &str) =
    ("403", "The plan's limit is reached (`plan_limit_reached`), or `csrf_required`.");
const NO_SUCH: (&str, &str) = ("404", "There is no such thing, or it is not yours (`not_found`).");
const NO_ALERT: (&str, &str) = (
    "405",
    "The id is no number, so this was taken for an alert that was sent by another method than POST (`method_not_allowed`).",
);
const TOO_LARGE: (&str, &str) = ("413", "The body is larger than 64 KiB (`payload_too_large`).");
const WRONG: (&str, &str) = ("422", "The request is wrong (`invalid_request`); `fields` says where.");
const NO_STORE: (&str, &str) = ("503", "The store cannot be reached (`store_unavailable`).");
const NO_BROKER: (&str, &str) =
    ("503", "The broker could not be asked (`broker_unavailable`), or the store (`store_unavailable`).");

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $($refusal:ident),+;)*) => {$(
        $(#[$doc])*
        pub enum $name {}

        impl IntoResponses for $name {
            fn responses() -> Responses {
                responses(&[$($refusal),+])
            }
        }
    )*};
}

refusals! {
    /// Of a list with filters or pages.
    ListRefusals: NOBODY, WRONG, NO_STORE;
    /// Of a list that belongs to one thing.
    SublistRefusals: NOBODY, NO_SUCH, WRONG, NO_STORE;
    /// Of one thing.
    ReadRefusals: NOBODY, NO_SUCH, NO_STORE;
    /// Of one thing that is asked at a broker.
    BrokerRefusals: NOBODY, NO_SUCH, NO_BROKER;
    /// Of a list that is asked at a broker.
    BrokerListRefusals: NOBODY, NO_SUCH, WRONG, NO_BROKER;
    /// Of changing a thing after a broker was asked about it.
    BrokerChangeRefusals: NOBODY, NO_CSRF, NO_SUCH, TOO_LARGE, WRONG, NO_BROKER;
    /// Of making a thing that plans limit.
    CreateRefusals: NOBODY, NOT_ALLOWED, TOO_LARGE, WRONG, NO_STORE;
    /// Of changing a thing that plans limit.
    LimitedChangeRefusals: NOBODY, NOT_ALLOWED, NO_SUCH, TOO_LARGE, WRONG, NO_STORE;
    /// Of changing a thing.
    ChangeRefusals: NOBODY, NO_CSRF, NO_SUCH, TOO_LARGE, WRONG, NO_STORE;
    /// Of one webhook, which shares its path with the receiver.
    AlertRefusals: NO_ALERT;
    /// Of an act that takes no body.
    ActRefusals: NOBODY, NO_CSRF, NO_SUCH, NO_STORE;
}
