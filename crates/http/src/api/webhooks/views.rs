//! Webhooks as the API shows them.

use atomik_domain::{Code, Webhook};
use atomik_ports::overview::WebhookActivity;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::AppState;
use crate::api::format::{CodeWord, optional_time};
use crate::provisioning::webhook_url;

const NO_SECRET_WARNING: &str =
    "Dangerous: this webhook asks for no secret, so anybody who learns its URL can trade.";

/// A webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookView {
    /// Its id.
    id: i64,
    /// What you call it.
    name: String,
    /// Notes.
    description: String,
    /// The unique part of its URL.
    token: String,
    /// Its URL. Only the answers to creation and rotation have the secret in it.
    url: String,
    /// Who may send; empty lets everybody in.
    allowed_ips: Vec<String>,
    /// Whether a secret is asked for.
    require_secret: bool,
    /// How long an equal alert counts as a repeat, in seconds; 0 is never.
    dedupe_window_s: u32,
    /// Whether it accepts anything.
    active: bool,
    /// Until when the secret before the last rotation still works; null where none does.
    #[schema(format = DateTime)]
    previous_secret_valid_until: Option<String>,
    /// What came to it.
    activity: WebhookActivityView,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// What is dangerous about its settings, in sentences.
    warnings: Vec<String>,
}

impl WebhookView {
    /// The webhook without its secret.
    pub fn of(webhook: &Webhook, activity: WebhookActivityView, state: &AppState) -> Self {
        let overlap = webhook.previous_secret.map(|secret| secret.valid_until);
        let warning = (!webhook.require_secret).then(|| NO_SECRET_WARNING.to_owned());
        Self {
            id: webhook.id.0,
            name: webhook.name.clone(),
            description: webhook.description.clone(),
            token: webhook.token.clone(),
            url: webhook_url(&state.settings.public_url, &webhook.token),
            allowed_ips: webhook.allowed_ips.entries().map(str::to_owned).collect(),
            require_secret: webhook.require_secret,
            dedupe_window_s: webhook.dedupe_window_s,
            active: webhook.active,
            previous_secret_valid_until: optional_time(overlap.filter(|until| *until > state.now())),
            activity,
            created_at: webhook.created_at.to_rfc3339(),
            warnings: warning.into_iter().collect(),
        }
    }
}

/// What came to a webhook.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = WebhookActivity)]
pub struct WebhookActivityView {
    /// When the last request came, also before the last 24 hours; null where none did. One that became a signal is looked
    /// for among the newest sixteen million signals and log rows of the program.
    #[schema(format = DateTime)]
    last_received_at: Option<String>,
    /// What became of it.
    #[schema(value_type = Option<CodeWord>)]
    last_code: Option<&'static str>,
    /// How many became signals in the last 24 hours. Of all your webhooks that are shown together, the newest 100,000 are
    /// counted.
    accepted_24h: u64,
    /// How many repeated one, and traded nothing.
    replayed_24h: u64,
    /// How many were refused, those that came too fast to be logged among them.
    refused_24h: u64,
}

impl From<WebhookActivity> for WebhookActivityView {
    fn from(activity: WebhookActivity) -> Self {
        let (last_at, last_code) = activity.last.unzip();
        Self {
            last_received_at: optional_time(last_at),
            last_code: last_code.map(Code::as_str),
            accepted_24h: activity.accepted,
            replayed_24h: activity.replayed,
            refused_24h: activity.refused,
        }
    }
}

/// A webhook with its secret, in the only answers that have it.
#[derive(Serialize, ToSchema)]
pub struct WebhookWithSecret {
    /// The webhook; its `url` has the secret in it.
    #[serde(flatten)]
    webhook: WebhookView,
    /// The secret: 64 hex digits. It is stored as a hash only and cannot be shown again.
    secret: String,
}

impl WebhookWithSecret {
    /// The webhook with its secret, alone and in the URL.
    pub fn of(mut webhook: WebhookView, secret: &SecretString) -> Self {
        let secret = secret.expose_secret().to_owned();
        webhook.url = format!("{}?secret={secret}", webhook.url);
        Self { webhook, secret }
    }
}
