//! What every store does: the conformance suite of the four traits that `atomik-ports` calls a store.
//!
//! A store's crate writes one function that makes a fresh store, and stamps the suite onto it:
//!
//! ```ignore
//! async fn embedded() -> Embedded { ... }          // impl Fixture for Embedded
//! atomik_testkit::store_suite!(embedded);          // one test a case
//! ```

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)] // tests, kept in a library to be used by several stores

pub mod directory;
pub mod following;
pub mod history;
pub mod isolation;
pub mod journal;
pub mod limits;
pub mod overview;
pub mod repeats;
pub mod restarts;
pub mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::{SignalId, UnixMicros};
use atomik_ports::journal::{Changes, Entry, NewSignal, Receipt};
use atomik_ports::{PageRequest, Store};

/// A fresh, empty store under test. Dropping it removes everything.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;
    /// Where a backup may be written; nothing is there.
    fn backup_path(&self) -> PathBuf;
    /// Opens a backup as a store of its own.
    async fn open_backup(&self, backup: &Path) -> Arc<dyn Store>;
}

/// The first page, of up to 50 rows.
pub const FIRST: PageRequest = PageRequest { limit: 50, before: None };

/// Commits signals and says what became of each.
pub async fn commit(store: &dyn Store, signals: Vec<NewSignal>, at: UnixMicros) -> Vec<Receipt> {
    let entries = signals.into_iter().map(|signal| Entry::Signal(Arc::new(signal))).collect();
    store.commit(entries, at).await.unwrap()
}

/// Commits a signal that is new, and gives its id.
pub async fn accept(store: &dyn Store, signal: NewSignal, at: UnixMicros) -> SignalId {
    match commit(store, vec![signal], at).await.as_slice() {
        [Receipt::Stored { signal_id }] => *signal_id,
        other => panic!("the signal was not stored: {other:?}"),
    }
}

/// Commits changes and gives what they are answered with.
pub async fn change(store: &dyn Store, changes: Changes) -> Receipt {
    let mut receipts =
        store.commit(vec![Entry::Changes(Arc::new(changes))], crate::builders::START).await.unwrap();
    receipts.remove(0)
}

/// Stamps the suite onto a store. Takes the name of an async function without arguments, in the same module, that makes a
/// [`Fixture`].
#[macro_export]
macro_rules! store_suite {
    ($fixture:ident) => {
        $crate::store_suite!(@ $fixture;
            repeats {
                a_repeat_inside_one_batch
                a_repeat_across_batches
                the_window_ends_exactly_where_it_says
                a_long_window_ends_where_it_says_too
                the_window_that_counts_is_the_present_one
                repeats_do_not_extend_the_window
                a_window_of_zero_repeats_nothing
                a_clock_set_back_refuses_nothing_for_long
                windows_are_one_webhooks_own
                different_fingerprints_are_different_signals
                a_concurrent_flood_of_one_signal_is_stored_once
                an_explicit_id_with_the_same_body_is_replayed
                an_explicit_id_with_another_body_is_refused
                an_explicit_id_is_forgotten_after_a_day
                windows_and_explicit_ids_never_meet
                a_signal_without_a_key_is_never_a_repeat
            }
            journal {
                receipts_come_in_the_order_of_entries
                signal_ids_rise_in_the_order_of_acceptance
                targets_get_a_pending_outcome_each
                an_empty_call_is_nothing
                an_intent_is_recorded_once_by_its_id
                an_intent_is_recorded_once_by_its_place
                an_intent_is_recorded_once_in_one_batch
                an_order_is_replaced_by_its_latest
                a_fill_is_recorded_once
                exec_ids_are_one_accounts_own
                a_position_is_replaced_by_its_latest
                a_final_outcome_is_never_replaced
                an_unknown_outcome_becomes_final
                the_first_final_outcome_of_a_batch_stays
                a_thousand_entries_at_once_from_many
            }
            directory {
                the_first_user_administers
                exactly_one_of_many_is_first
                registration_obeys_its_rule
                emails_are_unique
                a_user_is_changed_and_the_last_administrator_stays
                passwords_are_replaced
                sessions_end
                touching_a_session_never_goes_back
                other_sessions_are_ended
                api_keys_come_and_go
                a_webhook_round_trips_and_is_changed
                a_deleted_webhook_pauses_its_strategies_and_leaves_history
                an_unlinked_account_pauses_its_strategies
                credentials_are_kept_for_their_account_until_it_is_unlinked
                a_strategy_round_trips_and_is_changed
                a_strategy_with_a_position_or_an_order_stays
                a_strategy_that_works_on_a_signal_stays
                what_an_unlinked_account_left_behind_keeps_no_strategy
                a_strategy_whose_parts_are_gone_stays_paused
                halts_stand_until_lifted
            }
            limits {
                concurrent_webhooks_stop_at_the_limit
                concurrent_accounts_stop_at_the_limit
                concurrent_strategies_stop_at_the_limit
                activating_obeys_the_limit
                what_is_paused_or_gone_does_not_count
            }
            isolation {
                directory_reads
                directory_writes
                strategies_need_the_users_own_parts
                histories
            }
            history {
                a_quiet_webhook_is_read_across_a_burst_on_another
                deliveries_tell_what_became_of_each
                a_repeat_that_was_known_leaves_the_row_of_one_that_was_found
                deliveries_are_filtered
                a_flattening_is_a_signal_and_no_delivery
                a_signal_comes_with_all_that_came_of_it
                signals_are_filtered
                orders_fills_and_positions_are_filtered
                pages_are_stable_while_rows_are_added
                lists_are_read_from_the_oldest_up
                a_page_is_never_larger_than_allowed
                extreme_decimals_survive
            }
            following {
                a_snapshot_holds_what_is_in_force
                changes_are_told_once_each
                deletions_are_told
                asking_from_an_unknown_number_tells_everything
                forgotten_changes_tell_everything
            }
            restarts {
                a_signal_whose_orders_have_all_ended_is_unfinished_until_its_outcome_is_final
            }
            overview {
                signals_are_counted_by_the_strategy_that_most_needs_a_look
                what_failed_is_grouped_and_explained
                deliveries_are_counted_with_those_that_were_only_counted
                profits_are_exact_sums_by_account
                unknown_orders_show_whatever_their_age
                a_moment_is_found_among_many
                what_came_to_webhooks
                equity_round_trips
                equity_is_thinned_to_the_last_of_each_part
                equity_is_ones_own
                old_equity_goes_by_the_hour_and_then_for_good
            }
            upkeep {
                the_installation_is_one
                unfinished_work_is_what_is_not_final
                positions_of_one_strategy
                positions_in_some_lanes
                a_healthy_store_checks_out
                old_deliveries_go_and_signals_stay
                refusals_are_bounded_for_each_webhook
                ended_sessions_and_old_repeat_keys_go
                a_backup_holds_the_same
                a_backup_is_halted_and_replays_nothing
                a_backup_overwrites_nothing
            }
        );
    };
    (@ $fixture:ident; $($area:ident { $($case:ident)* })*) => {
        $(mod $area {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let fixture = super::$fixture().await;
                $crate::store_suite::$area::$case(&fixture).await;
            })*
        })*
    };
}
