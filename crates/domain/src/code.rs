//! Every reason Atomik gives, as a stable code with a sentence and what to do about it.
//!
//! The codes appear in answers, logs and outcomes; `/help/<code>` explains them. A code is never renamed.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $meaning:literal, $remedy:literal;)*) => {
        /// A reason. Its text form is stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $(#[doc = $meaning] $(#[$doc])* $variant),*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }

            /// What to do about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy),* }
            }

            /// The code with this text.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($code => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for Code {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

codes! {
    // What became of a delivery.
    Accepted = "accepted", "The alert was stored and is being processed.", "Nothing to do.";
    Replayed = "replayed", "The alert repeats one that was just accepted; the first answer was given again and nothing trades.", "If it was meant to trade again, send a different id or shorten the webhook's repeat window.";
    WebhookNotFound = "webhook_not_found", "No active webhook has this token.", "Check the URL; the webhook may have been paused or deleted.";
    IpNotAllowed = "ip_not_allowed", "The sender's address is not in the webhook's allowed IPs.", "Add the address to the webhook's allowed IPs, or use the tradingview preset.";
    SecretRequired = "secret_required", "The request carries no secret.", "Use the full URL with ?secret=, the X-Webhook-Secret header, or a \"secret\" field in the body.";
    InvalidSecret = "invalid_secret", "The secret does not belong to this webhook.", "Copy the URL again, or rotate the secret if it is lost.";
    SubscriptionInactive = "subscription_inactive", "The account's subscription does not allow trading.", "Renew the subscription.";
    RateLimited = "rate_limited", "More than 10 requests arrived within a second.", "Reduce the alert frequency; wait as long as Retry-After says.";
    PayloadTooLarge = "payload_too_large", "The body is larger than 64 KiB.", "Send a shorter message.";
    RequestTimeout = "request_timeout", "The body did not arrive in time.", "Send the whole request at once.";
    MethodNotAllowed = "method_not_allowed", "Only POST is accepted here.", "Send the alert as a POST request.";
    MalformedJson = "malformed_json", "The body is not one valid JSON object.", "Send an object such as {\"action\": \"BUY\"}.";
    InvalidAction = "invalid_action", "The action is missing or is neither BUY nor SELL.", "Set \"action\" to \"BUY\" or \"SELL\".";
    InvalidExit = "invalid_exit", "The comment starts with EXIT_ but names no part of a position.", "Use EXIT_50, EXIT_HALF, EXIT_FINAL, EXIT_ALL or EXIT_n with 0 < n <= 100.";
    InvalidField = "invalid_field", "A field has the wrong type.", "Send the field as a string or a number.";
    IdReused = "id_reused", "The same id was used within 24 hours with a different body.", "Send a new id with every new alert.";
    StoreUnavailable = "store_unavailable", "The alert could not be stored, so it was not accepted and will never trade.", "Send it again.";
    Overloaded = "overloaded", "More alerts are waiting than can be stored in time; this one was not accepted and will never trade.", "Send it again.";
    // What became of a signal on a strategy.
    Filled = "filled", "The order filled completely.", "Nothing to do.";
    PartlyFilled = "partly_filled", "The order ended with part of its quantity filled.", "Check the order for why the rest did not fill.";
    NoActiveStrategy = "no_active_strategy", "No active strategy is linked to the webhook.", "Activate a strategy on this webhook.";
    NothingToExit = "nothing_to_exit", "The strategy holds no position to exit.", "Nothing, if the position was closed already.";
    ExitSideMismatch = "exit_side_mismatch", "An exit on the position's own side would make it larger.", "Send SELL to exit a long position and BUY to exit a short one.";
    PositionLimit = "position_limit", "The position is at its limit.", "Raise the strategy's max_position to allow adding to a position.";
    ExitAlreadyWorking = "exit_already_working", "Exits that already work cover the whole position.", "Nothing; the earlier exit is still filling.";
    NotAtBroker = "not_at_broker", "The broker account no longer holds the position.", "The position was closed elsewhere; have the strategy adopt the broker's position on the account's page.";
    QuantityBelowLot = "quantity_below_lot", "The quantity rounds to nothing at the instrument's lot size.", "Raise the strategy's quantity. What is left of a position after fees in kind and is less than a lot cannot be sold.";
    SignalTooOld = "signal_too_old", "The signal was older than the strategy's max_signal_age when its entry could leave.", "Nothing; a stale entry is never sent.";
    Restored = "restored", "The books were restored from a backup that was made before this signal was worked on, so it was not.", "Look at the position at the broker, and trade by hand what is missing.";
    OrderRateLimit = "order_rate_limit", "The strategy made too many orders in a short time.", "Check for alerts that fire in a loop.";
    Halted = "halted", "Trading is halted.", "A person has to lift the halt.";
    BooksNotReconciled = "books_not_reconciled", "The account's books have not been compared with the broker's yet, so no entry may leave.", "Wait for the broker connection, or look at the account's status.";
    BooksDiffer = "books_differ", "Our books and the broker's differ in this symbol, so no entry may leave.", "Look at the account: it shows both positions, and lets a strategy adopt the broker's, or flattens it.";
    UnknownOrderOpen = "unknown_order_open", "An earlier order's fate is not proven yet, so no new entry may leave.", "Wait, or look the order up at the broker.";
    EntryStillWorking = "entry_still_working", "An earlier order of this strategy still works, so the reversal waits for nothing.", "Wait for the order to end.";
    PositionAdopted = "position_adopted", "A person had the strategy's position set to what the broker holds.", "Nothing to do.";
    OrdersOpen = "orders_open", "Orders in this symbol are still open, so what the broker holds is not final.", "Wait until they have ended, then try again.";
    StrategyInactive = "strategy_inactive", "The strategy was paused or deleted before the signal reached it.", "Activate the strategy.";
    AccountUnavailable = "account_unavailable", "The broker account is not connected.", "Look at the account's status.";
    BrokerRejected = "broker_rejected", "The broker refused the order.", "Read the broker's reason.";
    BrokerUnreachable = "broker_unreachable", "The order never reached the broker before the signal grew too old.", "Check the broker connection.";
    OrderCanceled = "order_canceled", "The order was canceled before it filled.", "Nothing, if that was intended.";
    OrderExpired = "order_expired", "The order's time in force ended before it filled.", "Nothing, if that was intended.";
    OrderUnknown = "order_unknown", "The broker has not proven what became of the order.", "Look at the account at the broker; Atomik keeps asking.";
    OverQueue = "lane_overloaded", "Too many signals wait for this account and symbol.", "Reduce the alert frequency.";
    // What the API refuses.
    InvalidRequest = "invalid_request", "The request does not have the expected shape.", "Read the detail and the fields.";
    NotFound = "not_found", "There is no such thing, or it is not yours.", "Check the id.";
    Unauthenticated = "unauthenticated", "Nobody is signed in.", "Log in, or send Authorization: Bearer with an API key.";
    InvalidCredentials = "invalid_credentials", "The email or the password is wrong.", "Try again.";
    TooManyAttempts = "too_many_attempts", "Too many attempts in a short time.", "Wait as long as Retry-After says.";
    CsrfRequired = "csrf_required", "A cookie-authenticated write needs the X-CSRF-Token header.", "Send the csrf_token from GET /api/v1/me.";
    Forbidden = "forbidden", "This is for administrators.", "Ask an administrator.";
    RegistrationClosed = "registration_closed", "This installation takes no new users.", "Ask the administrator.";
    EmailTaken = "email_taken", "A user with this email exists.", "Log in instead.";
    PlanLimitReached = "plan_limit_reached", "The plan's limit is reached.", "Upgrade the plan or remove something.";
    PositionOpen = "position_open", "The strategy still holds a position.", "Flatten it first.";
    Conflict = "conflict", "The thing changed or exists already.", "Load it again.";
    BrokerUnavailable = "broker_unavailable", "The broker could not be asked.", "Try again.";
    Internal = "internal", "Something went wrong on our side.", "Look at the server's log.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_round_trip() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
            assert!(code.meaning().ends_with('.') && code.remedy().ends_with('.'), "{code}");
        }
    }
}
