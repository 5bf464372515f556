//! What may be said about a webhook, and whether it makes sense.

use atomik_domain::ip_allowlist::IpAllowlist;
use atomik_ports::directory::WebhookPatch;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::format::{check_name, check_text};
use crate::error::{ApiResult, FieldErrors};

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 1_000;
/// The longest repeat window, in seconds.
const MAX_DEDUPE_WINDOW_S: u32 = 60;
/// The repeat window where none is asked for, in seconds.
const DEFAULT_DEDUPE_WINDOW_S: u32 = 1;
/// The longest time that an old secret may still work, in seconds: 7 days.
const MAX_OVERLAP_S: u32 = 7 * 86_400;

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// What you call it: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Notes: at most 1000 characters.
    #[serde(default)]
    #[schema(max_length = 1000)]
    description: String,
    /// Who may send; nobody named lets everybody in.
    allowed_ips: Option<AllowedIps>,
    /// `false` is dangerous: anybody who learns the URL can trade. Default true.
    require_secret: Option<bool>,
    /// How long an equal alert counts as a repeat, in seconds, 0 to 60; 0 switches the window off. Default 1.
    #[schema(maximum = 60)]
    dedupe_window_s: Option<u32>,
}

/// What changes of a webhook. Fields that are left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateWebhook {
    /// What you call it: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Notes: at most 1000 characters.
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Who may send; an empty list lets everybody in.
    allowed_ips: Option<AllowedIps>,
    /// `false` is dangerous: anybody who learns the URL can trade.
    require_secret: Option<bool>,
    /// How long an equal alert counts as a repeat, in seconds, 0 to 60; 0 switches the window off.
    #[schema(maximum = 60)]
    dedupe_window_s: Option<u32>,
    /// Whether it accepts anything.
    active: Option<bool>,
}

/// Allowed senders: addresses, CIDR ranges, or the word `tradingview` for its published addresses.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a list of addresses, or one text with commas between them")]
pub enum AllowedIps {
    /// One entry each.
    List(Vec<String>),
    /// All entries with commas between them: `52.89.214.238, 34.212.75.30`.
    Text(String),
}

/// How a secret is replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSecret {
    /// How long the old secret still works, in seconds: 0 (the default) to 604800, seven days.
    #[serde(default)]
    #[schema(maximum = 604800)]
    overlap_s: u32,
}

/// A webhook's settings, checked.
pub struct CheckedWebhook {
    /// What the trader calls it.
    pub name: String,
    /// Notes.
    pub description: String,
    /// Who may send.
    pub allowed_ips: IpAllowlist,
    /// Whether a secret is asked for.
    pub require_secret: bool,
    /// The repeat window in seconds.
    pub dedupe_window_s: u32,
}

impl CreateWebhook {
    /// The settings, checked, with defaults for what was not said.
    ///
    /// # Errors
    /// 422, naming every wrong field.
    pub fn check(self) -> ApiResult<CheckedWebhook> {
        let mut errors = FieldErrors::default();
        let name = check_name(&self.name, "name", &mut errors);
        let description = check_text(&self.description, MAX_DESCRIPTION, "description", &mut errors);
        let allowed_ips = self.allowed_ips.and_then(|list| list.check(&mut errors)).unwrap_or_default();
        let dedupe_window_s = self.dedupe_window_s.unwrap_or(DEFAULT_DEDUPE_WINDOW_S);
        check_window(dedupe_window_s, &mut errors);
        errors.into_result()?;
        let require_secret = self.require_secret.unwrap_or(true);
        Ok(CheckedWebhook { name, description, allowed_ips, require_secret, dedupe_window_s })
    }
}

impl UpdateWebhook {
    /// The changes, checked.
    ///
    /// # Errors
    /// 422, naming every wrong field.
    pub fn check(self) -> ApiResult<WebhookPatch> {
        let mut errors = FieldErrors::default();
        let description = self.description.as_deref();
        let patch = WebhookPatch {
            name: self.name.as_deref().map(|name| check_name(name, "name", &mut errors)),
            description: description
                .map(|text| check_text(text, MAX_DESCRIPTION, "description", &mut errors)),
            require_secret: self.require_secret,
            allowed_ips: self.allowed_ips.and_then(|list| list.check(&mut errors)),
            active: self.active,
            dedupe_window_s: self.dedupe_window_s,
            secret: None,
        };
        if let Some(window_s) = patch.dedupe_window_s {
            check_window(window_s, &mut errors);
        }
        errors.into_result()?;
        Ok(patch)
    }
}

impl AllowedIps {
    fn check(self, errors: &mut FieldErrors) -> Option<IpAllowlist> {
        let list = match &self {
            Self::List(entries) => IpAllowlist::from_entries(entries.iter().map(String::as_str)),
            Self::Text(text) => IpAllowlist::parse(text),
        };
        errors.take("allowed_ips", list)
    }
}

impl RotateSecret {
    /// The overlap in seconds, checked.
    ///
    /// # Errors
    /// 422, naming `overlap_s`.
    pub fn check(&self) -> ApiResult<u32> {
        let mut errors = FieldErrors::default();
        let fine = self.overlap_s <= MAX_OVERLAP_S;
        errors.check(fine, "overlap_s", format!("must be 0 to {MAX_OVERLAP_S} seconds (7 days)"));
        errors.into_result().map(|()| self.overlap_s)
    }
}

fn check_window(window_s: u32, errors: &mut FieldErrors) {
    let fine = window_s <= MAX_DEDUPE_WINDOW_S;
    errors.check(fine, "dedupe_window_s", format!("must be 0 to {MAX_DEDUPE_WINDOW_S} seconds"));
}
