//! What TWS tells by itself: order updates and messages, told on as reports.
//!
//! The connection ends here, and only here: the reports are closed first, then the calls that wait are let go, so that
//! whoever hears of the end finds the reports closed.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use atomik_domain::{ExecutionReport, Price, Qty};
use atomik_ports::Clock;
use futures::StreamExt;
use ibapi::orders::{ExecutionData, OrderUpdate};
use ibapi::subscriptions::{NoticeStream, Subscription, SubscriptionItem};
use ibapi::{Client, Error, Notice};
use time_tz::Tz;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::book::{Book, Trade};
use super::codes::{self, ForLink};
use super::{exact, executions, orders};
use crate::wire::WirePolicy;

/// How long an execution waits for what it cost. TWS tells it right behind the execution.
pub(super) const COMMISSION_PATIENCE: Duration = Duration::from_secs(2);

/// What listens.
pub(super) struct Listener {
    pub updates: Subscription<OrderUpdate>,
    pub notices: NoticeStream,
    pub book: Arc<Book>,
    pub reports: mpsc::Sender<ExecutionReport>,
    pub account: String,
    pub clock: Arc<dyn Clock>,
    pub zone: Option<&'static Tz>,
    /// Called whenever something traded.
    pub traded: mpsc::Sender<()>,
}

impl Listener {
    /// Listens until the connection can vouch for nothing any more.
    pub(super) async fn run(mut self) {
        let why = self.listen().await;
        tracing::warn!(account = self.account, why, "the connection to TWS ends");
        let Self { reports, book, .. } = self;
        drop(reports);
        book.end(&why);
    }

    async fn listen(&mut self) -> String {
        let book = Arc::clone(&self.book);
        // In order of their deadlines: the patience is the same for all.
        let mut waiting: VecDeque<(Instant, String)> = VecDeque::new();
        loop {
            let due = waiting.front().map(|(due, _)| *due);
            let patience = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let report = tokio::select! {
                why = book.condemned() => return why,
                () = self.reports.closed() => return "nobody listens any more".to_owned(),
                notice = self.notices.next() => {
                    let Some(notice) = notice else { return "TWS closed it".to_owned() };
                    if let Some(why) = self.heed(&notice) {
                        return why;
                    }
                    None
                }
                update = self.updates.next() => match update {
                    None => return "TWS closed it".to_owned(),
                    Some(Err(error)) => return broken(&error),
                    Some(Ok(SubscriptionItem::Notice(notice))) => {
                        if let Some(why) = self.heed(&notice) {
                            return why;
                        }
                        notice.request_id.and_then(|id| book.message_told(id, notice.code, &notice.message))
                    }
                    Some(Ok(SubscriptionItem::Data(update))) => self.told(update, &mut waiting),
                },
                () = patience => {
                    let late = waiting.pop_front();
                    late.and_then(|(_, execution_id)| book.commission_is_late(&execution_id))
                }
            };
            if let Some(report) = report
                && self.reports.send(report).await.is_err()
            {
                return "nobody listens any more".to_owned();
            }
        }
    }

    /// Why a message ends the connection; `None` where it does not.
    fn heed(&self, notice: &Notice) -> Option<String> {
        let said = || format!("TWS says: {} ({})", notice.message.trim(), notice.code);
        // About no order: it comes where lists are asked for, and without it they never do.
        if notice.request_id.is_none() && codes::is_read_only(notice.code, &notice.message) {
            return Some(codes::READ_ONLY.to_owned());
        }
        match codes::for_link(notice.code) {
            ForLink::Down => {
                self.book.link_down(&said());
                None
            }
            // Reports of what happened meanwhile may have been lost, or are: the engine asks.
            ForLink::Back | ForLink::Over => Some(said()),
            ForLink::Nothing => None,
        }
    }

    fn told(
        &self,
        update: OrderUpdate,
        waiting: &mut VecDeque<(Instant, String)>,
    ) -> Option<ExecutionReport> {
        match update {
            OrderUpdate::OpenOrder(told) => {
                let id = orders::reference(&told.order.order_ref)?;
                if told.order.account != self.account {
                    return None;
                }
                let (status, perm_id) = (&told.order_state.status, told.order.perm_id);
                self.book.order_told(id, told.order_id, perm_id, status, &told.order_state.reject_reason)
            }
            OrderUpdate::OrderStatus(told) => {
                let filled = Qty(exact::decimal(told.filled)?);
                self.book.status_told(told.order_id, told.perm_id, &told.status, filled)
            }
            OrderUpdate::ExecutionData(told) => {
                let id = orders::reference(&told.execution.order_reference)?;
                if told.execution.account_number != self.account {
                    return None;
                }
                let trade = trade(&told, &*self.clock, self.zone)?;
                let execution_id = trade.execution_id.clone();
                let (report, waits) = self.book.trade_told(id, told.execution.perm_id, trade);
                if waits {
                    waiting.push_back((Instant::now() + COMMISSION_PATIENCE, execution_id));
                }
                // Full means that it is known already.
                let _ = self.traded.try_send(());
                report
            }
            OrderUpdate::CommissionReport(told) => {
                let commission = exact::decimal(told.commission)?;
                self.book.commission_told(&told.execution_id, commission)
            }
            OrderUpdate::OrderBound(_) => None,
        }
    }
}

/// An execution as a trade. One whose time nobody can read happened now: a fill is not lost over that.
pub(super) fn trade(told: &ExecutionData, clock: &dyn Clock, zone: Option<&Tz>) -> Option<Trade> {
    let execution = &told.execution;
    let at = executions::time_of(&execution.time, zone).unwrap_or_else(|| {
        tracing::warn!(time = execution.time, "TWS tells a time that nobody can read");
        clock.now()
    });
    Some(Trade {
        execution_id: execution.execution_id.clone(),
        qty: Qty(exact::decimal(execution.shares)?),
        price: Price(exact::decimal(execution.price)?),
        at,
    })
}

/// Asks TWS for the time, again and again: a connection whose other end is gone says nothing, for ever.
pub(super) async fn keep_alive(client: Weak<Client>, book: Arc<Book>, policy: WirePolicy) {
    loop {
        tokio::time::sleep(policy.silence_timeout / 3).await;
        let Some(client) = client.upgrade() else { return };
        match tokio::time::timeout(policy.answer_timeout, client.server_time()).await {
            Ok(Ok(_)) | Ok(Err(Error::Notice(_))) => {}
            Ok(Err(error)) => return book.condemn(&broken(&error)),
            Err(_) => return book.condemn("TWS does not answer any more"),
        }
    }
}

fn broken(error: &Error) -> String {
    match error {
        Error::Shutdown | Error::ConnectionReset | Error::ConnectionFailed => "TWS closed it".to_owned(),
        error => format!("what TWS sends cannot be read: {error}"),
    }
}
