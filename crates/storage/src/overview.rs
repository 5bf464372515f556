//! What an overview says of what was counted. The same for every engine.

use std::collections::{BTreeMap, HashMap};

use atomik_domain::{
    Amount, BrokerAccountId, Code, Order, OutcomeStatus, SignalId, StrategyId, UnixMicros, WebhookId,
};
use atomik_ports::StoreError;
use atomik_ports::journal::SignalSource;
use atomik_ports::overview::{
    AccountProfit, DeliveryGroup, EquitySample, FailureGroup, Happened, MAX_COUNTED, MAX_NOTABLE,
    UnheardGroup, WebhookActivity,
};

use crate::columns::{Cells, Columns};
use crate::rows::read_all;

/// How many eras (4,096 ids each, everybody's) one read goes back at most.
pub(crate) const MAX_ERAS: i64 = 4_096;

/// Signals of one webhook and source that stand alike.
pub(crate) struct SignalGroup {
    webhook_id: WebhookId,
    source: SignalSource,
    /// `None` where no strategy was active.
    status: Option<OutcomeStatus>,
    count: u64,
    last_signal_id: SignalId,
    first_at: UnixMicros,
    last_at: UnixMicros,
}

/// What was counted since a moment.
pub(crate) struct Counted {
    pub signals: Vec<SignalGroup>,
    /// The other deliveries, and how many rows of the log they are.
    pub deliveries: (Vec<DeliveryGroup>, u64),
    pub failures: Vec<FailureGroup>,
    pub unknown_orders: Vec<Order>,
    /// What fills locked in, and how many fills that are.
    pub profits: (Vec<AccountProfit>, usize),
    /// Whether it begins later than asked for.
    pub cut: bool,
}

impl Counted {
    /// All of it in one.
    pub fn happened(self) -> Happened {
        let ((others, deliveries), (profits, fills)) = (self.deliveries, self.profits);
        let mut happened = Happened {
            others,
            failures: self.failures,
            unknown_orders: self.unknown_orders,
            profits,
            ..Happened::default()
        };
        for group in self.signals {
            *happened.signals.entry(group.status.unwrap_or(OutcomeStatus::Skipped)).or_default() +=
                group.count;
            if group.source == SignalSource::Alert {
                happened.accepted += group.count;
            }
            if group.status.is_none() && happened.unheard.len() < MAX_NOTABLE as usize {
                happened.unheard.push(group.unheard());
            }
        }
        let most = u64::from(MAX_COUNTED);
        let signals: u64 = happened.signals.values().sum();
        happened.truncated =
            self.cut || signals >= most || deliveries >= most || fills >= MAX_COUNTED as usize;
        happened
    }
}

impl SignalGroup {
    fn unheard(&self) -> UnheardGroup {
        UnheardGroup {
            webhook_id: self.webhook_id,
            count: self.count,
            last_signal_id: self.last_signal_id,
            first_at: self.first_at,
            last_at: self.last_at,
        }
    }
}

/// When the last delivery came to a webhook, and what became of it.
pub(crate) type Last = (WebhookId, Option<(UnixMicros, Code)>);

/// What came to webhooks, by when the last came, how many alerts became signals, and the other deliveries.
pub(crate) fn activity(
    last: Vec<Last>,
    alerts: &HashMap<WebhookId, u64>,
    others: &[DeliveryGroup],
) -> Vec<WebhookActivity> {
    let activity = |(webhook_id, last)| {
        let counted = |replayed: bool| {
            let own = others.iter().filter(|group| group.webhook_id == webhook_id);
            own.filter(|group| (group.code == Code::Replayed) == replayed).map(|group| group.count).sum()
        };
        WebhookActivity {
            webhook_id,
            last,
            accepted: alerts.get(&webhook_id).copied().unwrap_or_default(),
            replayed: counted(true),
            refused: counted(false),
        }
    };
    last.into_iter().map(activity).collect()
}

/// Webhook, source, urgency, count, last id, first and last time.
pub(crate) fn read_signal_groups<R: Cells>(rows: &[R]) -> Result<Vec<SignalGroup>, StoreError> {
    read_all(rows, |columns| {
        Ok(SignalGroup {
            webhook_id: WebhookId(columns.get()?),
            source: columns.word()?,
            status: columns.get::<Option<i64>>()?.and_then(by_urgency),
            count: columns.number()?,
            last_signal_id: SignalId(columns.get()?),
            first_at: columns.time()?,
            last_at: columns.time()?,
        })
    })
}

fn by_urgency(urgency: i64) -> Option<OutcomeStatus> {
    OutcomeStatus::ALL.iter().copied().find(|status| i64::from(status.urgency()) == urgency)
}

/// Webhook and count.
pub(crate) fn read_alerts<R: Cells>(rows: &[R]) -> Result<HashMap<WebhookId, u64>, StoreError> {
    let counts = read_all(rows, |columns| Ok((WebhookId(columns.get()?), columns.number()?)))?;
    Ok(counts.into_iter().collect())
}

/// Strategy, status, code, the last one's detail, count, last id, first and last time.
pub(crate) fn read_failures<R: Cells>(rows: &[R]) -> Result<Vec<FailureGroup>, StoreError> {
    read_all(rows, |columns| {
        Ok(FailureGroup {
            strategy_id: StrategyId(columns.get()?),
            status: columns.word()?,
            code: columns.word_by(Code::parse)?,
            detail: columns.get()?,
            count: columns.number()?,
            last_signal_id: SignalId(columns.get()?),
            first_at: columns.time()?,
            last_at: columns.time()?,
        })
    })
}

/// Rows of the log, webhook, code, count, first and last time. Gives also how many rows of the log they are.
pub(crate) fn read_delivery_groups<R: Cells>(rows: &[R]) -> Result<(Vec<DeliveryGroup>, u64), StoreError> {
    let groups = read_all(rows, |columns| {
        let looked_at = columns.number::<u64>()?;
        let group = DeliveryGroup {
            webhook_id: WebhookId(columns.get()?),
            code: columns.word_by(Code::parse)?,
            count: columns.number()?,
            first_at: columns.time()?,
            last_at: columns.time()?,
        };
        Ok((looked_at, group))
    })?;
    let looked_at = groups.iter().map(|(rows, _)| rows).sum();
    Ok((groups.into_iter().map(|(_, group)| group).collect(), looked_at))
}

/// Account, realized profit and commission of each fill, summed by account. Here, for engines would sum as they like.
pub(crate) fn sum_profits<R: Cells>(rows: &[R]) -> Result<BTreeMap<i64, (Amount, Amount)>, StoreError> {
    let mut sums: BTreeMap<i64, (Amount, Amount)> = BTreeMap::new();
    for row in rows {
        let mut columns = Columns::of(row);
        let sum = sums.entry(columns.get()?).or_default();
        *sum = (sum.0 + columns.decimal()?, sum.1 + columns.decimal()?);
    }
    Ok(sums)
}

/// Webhook, when the last delivery came, and its code.
pub(crate) fn read_last<R: Cells>(rows: &[R]) -> Result<Vec<Last>, StoreError> {
    read_all(rows, |columns| {
        let (webhook_id, at) = (WebhookId(columns.get()?), columns.optional_time()?);
        let code = columns.get::<Option<&str>>()?.and_then(Code::parse);
        Ok((webhook_id, at.zip(code)))
    })
}

/// A sample of an account's equity.
pub(crate) fn read_sample<R: Cells>(columns: &mut Columns<'_, R>) -> Result<EquitySample, StoreError> {
    Ok(EquitySample {
        broker_account_id: BrokerAccountId(columns.get()?),
        at: columns.time()?,
        currency: columns.get()?,
        cash: columns.decimal()?,
        equity: columns.decimal()?,
        simulated: columns.flag()?,
    })
}
