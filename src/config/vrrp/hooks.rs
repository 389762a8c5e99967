//! What is run when a virtual router changes its state.

use std::time::Duration;

use super::super::document::Document;
use super::super::rules::HOOK_TIMEOUT;
use super::super::script;
use super::super::show::Keys;
use super::super::values::{duration, show_duration};
use super::raw;

/// Programs to run, each with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VrrpHooks {
    /// When it becomes master.
    pub on_master: Option<Vec<String>>,
    /// When it becomes backup.
    pub on_backup: Option<Vec<String>>,
    /// When it cannot take part.
    pub on_fault: Option<Vec<String>>,
    /// When it is stopped.
    pub on_stop: Option<Vec<String>>,
    /// When another master is heard beside it, and when it is gone.
    pub on_split_brain: Option<Vec<String>>,
    /// Who runs them; none: whoever runs lvsd.
    pub user: Option<String>,
    /// How long each may take.
    pub timeout: Duration,
}

impl Default for VrrpHooks {
    fn default() -> Self {
        Self {
            on_master: None,
            on_backup: None,
            on_fault: None,
            on_stop: None,
            on_split_brain: None,
            user: None,
            timeout: HOOK_TIMEOUT,
        }
    }
}

/// The keys. What is refused is noted, and left out.
pub(super) fn hooks(document: &mut Document<'_>, raw: &raw::Vrrp) -> VrrpHooks {
    let user = script::user(document, &raw.hook_user);
    let range = Duration::from_millis(100)..=Duration::from_secs(24 * 60 * 60);
    let timeout = duration(document, &raw.hook_timeout, HOOK_TIMEOUT, range);
    let mut hook = |field| script::argv(document, field, user.as_deref());
    VrrpHooks {
        on_master: hook(&raw.on_master),
        on_backup: hook(&raw.on_backup),
        on_fault: hook(&raw.on_fault),
        on_stop: hook(&raw.on_stop),
        on_split_brain: hook(&raw.on_split_brain),
        user,
        timeout: timeout.unwrap_or(HOOK_TIMEOUT),
    }
}

/// Writes them back.
pub(super) fn show(mut keys: Keys, hooks: &VrrpHooks) -> Keys {
    let all = [
        ("on_master", &hooks.on_master),
        ("on_backup", &hooks.on_backup),
        ("on_fault", &hooks.on_fault),
        ("on_stop", &hooks.on_stop),
        ("on_split_brain", &hooks.on_split_brain),
    ];
    for (key, hook) in all {
        if let Some(argv) = hook {
            keys = keys.set(key, argv.clone());
        }
    }
    if let Some(user) = &hooks.user {
        keys = keys.set_text("hook_user", user);
    }
    keys.set_text("hook_timeout", show_duration(hooks.timeout))
}
