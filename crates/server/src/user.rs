//! `atomik user`: users without the API, beside a running server or without one.

use anyhow::{Context, anyhow, bail};
use atomik_domain::tier::Subscription;
use atomik_domain::{Plan, Role, SubscriptionStatus, User};
use atomik_http::provisioning;
use atomik_ports::directory::{NewUser, Registration, UserPatch};
use atomik_ports::store::MAX_PAGE;
use atomik_ports::{Clock, PageRequest, Store, StoreError, SystemClock};
use secrecy::{ExposeSecret, SecretString};

use crate::cli::{PasswordArgs, UserAction};
use crate::config::Config;
use crate::{output, store};

/// Does what was asked of users.
///
/// # Errors
/// Sentences for the operator.
pub async fn user(config: &Config, action: UserAction) -> anyhow::Result<()> {
    let store = match action {
        UserAction::Add { .. } => store::open_or_make(config).await?,
        _ => store::open_existing(config).await?,
    };
    match action {
        UserAction::List => list(&*store).await,
        UserAction::Add { email, password } => {
            let made = add(&*store, &email, &password).await?;
            say_made(&made)
        }
        UserAction::Password { email, password } => set_password(&*store, &email, &password).await,
        UserAction::Disable { email } => {
            update(&*store, &email, UserPatch { disabled: Some(true), ..UserPatch::default() }).await
        }
        UserAction::Enable { email } => {
            update(&*store, &email, UserPatch { disabled: Some(false), ..UserPatch::default() }).await
        }
        UserAction::Plan { email, plan, status } => {
            let patch = plan_patch(&plan, status.as_deref())?;
            update(&*store, &email, patch).await
        }
        UserAction::Role { email, role } => {
            let role: Role = role.parse().context("the role")?;
            update(&*store, &email, UserPatch { role: Some(role), ..UserPatch::default() }).await
        }
    }
}

fn plan_patch(plan: &str, status: Option<&str>) -> anyhow::Result<UserPatch> {
    let plan: Plan = plan.parse().context("the plan")?;
    let status: Option<SubscriptionStatus> =
        status.map(str::parse).transpose().context("the subscription's status")?;
    let subscription = status.map(|status| Subscription { status, since: SystemClock.now() });
    Ok(UserPatch { plan: Some(plan), subscription, ..UserPatch::default() })
}

/// A user that was just made, and the password that was made up for them.
pub struct MadeUser {
    /// The user.
    pub user: User,
    /// Their password, where nobody chose it.
    pub made_up: Option<SecretString>,
}

/// Makes a user. Whoever has the data directory may, whatever the configuration says about registration.
///
/// # Errors
/// Where the email is taken or no address, or the password is not good enough.
pub async fn add(store: &dyn Store, email: &str, password: &PasswordArgs) -> anyhow::Result<MadeUser> {
    let email = provisioning::email(email)?;
    let (password, made_up) = choose(password)?;
    let password_hash = provisioning::password_hash(password).await?;
    let user = NewUser { email, password_hash, created_at: SystemClock.now() };
    let user = store.create_user(user, Registration::Open).await.map_err(|error| match error {
        StoreError::Taken(_) => anyhow!("a user with this email exists; see `atomik user list`"),
        other => other.into(),
    })?;
    Ok(MadeUser { user, made_up })
}

fn say_made(made: &MadeUser) -> anyhow::Result<()> {
    let user = &made.user;
    output::line(format_args!("Made the user {} ({}, plan {}).", user.email, user.role, user.plan))?;
    if let Some(password) = &made.made_up {
        output::line(format_args!("Password, shown only now: {}", password.expose_secret()))?;
    }
    Ok(())
}

/// The password that was given, or one that is made up (then it is given twice: to hash, and to show).
fn choose(args: &PasswordArgs) -> anyhow::Result<(SecretString, Option<SecretString>)> {
    if let Some(password) = &args.password {
        return Ok((SecretString::from(password.as_str()), None));
    }
    if args.password_stdin {
        return Ok((read_password()?, None));
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("the system gives no randomness: {error}"))?;
    let password = SecretString::from(hex::encode(bytes));
    Ok((password.clone(), Some(password)))
}

fn read_password() -> anyhow::Result<SecretString> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("the standard input cannot be read")?;
    let password = SecretString::from(line.trim_end_matches(['\r', '\n']));
    if password.expose_secret().is_empty() {
        bail!("the standard input holds no password");
    }
    Ok(password)
}

async fn list(store: &dyn Store) -> anyhow::Result<()> {
    output::line(format_args!(
        "{:>5}  {:<40} {:<7} {:<10} {:<10} disabled",
        "id", "email", "role", "plan", "status"
    ))?;
    let mut page = PageRequest { limit: MAX_PAGE, before: None };
    loop {
        let users = store.users(page).await?;
        for user in &users.items {
            let disabled = if user.disabled { "yes" } else { "no" };
            output::line(format_args!(
                "{:>5}  {:<40} {:<7} {:<10} {:<10} {disabled}",
                user.id,
                user.email,
                user.role.as_str(),
                user.plan.as_str(),
                user.subscription.status.as_str()
            ))?;
        }
        let Some(next) = users.next else { return Ok(()) };
        page.before = Some(next);
    }
}

/// The user with this email.
///
/// # Errors
/// Where there is none.
async fn find(store: &dyn Store, email: &str) -> anyhow::Result<User> {
    match store.user_by_email(&provisioning::email(email)?).await {
        Ok((user, _)) => Ok(user),
        Err(StoreError::NotFound) => bail!("there is no user {email}; see `atomik user list`"),
        Err(other) => Err(other.into()),
    }
}

async fn update(store: &dyn Store, email: &str, patch: UserPatch) -> anyhow::Result<()> {
    let user = find(store, email).await?;
    let user = store.update_user(user.id, patch).await?;
    output::line(format_args!(
        "{} is now: role {}, plan {}, subscription {}{}.",
        user.email,
        user.role,
        user.plan,
        user.subscription.status,
        if user.disabled { ", disabled" } else { "" }
    ))?;
    Ok(())
}

async fn set_password(store: &dyn Store, email: &str, password: &PasswordArgs) -> anyhow::Result<()> {
    let user = find(store, email).await?;
    let (password, made_up) = choose(password)?;
    let hash = provisioning::password_hash(password).await?;
    store.set_password_hash(user.id, hash).await?;
    store.delete_other_sessions(user.id, None).await?;
    output::line(format_args!("{} has a new password; their sessions have ended.", user.email))?;
    if let Some(password) = made_up {
        output::line(format_args!("Password, shown only now: {}", password.expose_secret()))?;
    }
    Ok(())
}
