/** The signals, and what came of each on every strategy. */
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import type { Schemas } from '../../api/client';
import { type SignalFilter, signalsQuery } from '../../api/signals';
import { resultOf } from '../../format/results';
import { duration } from '../../format/times';
import { pagingOf, sortingOf, useSearchParts } from '../../parts/address';
import { Filters, asFilter } from '../../parts/filters';
import { type Column, List } from '../../parts/list';
import { type Names, useNames } from '../../parts/names';
import { Page } from '../../parts/page';
import { To } from '../../parts/to';
import { Reason, SideText, StatusBadge } from '../../parts/values';
import { When } from '../../parts/zone';

const FILTERS = ['webhook_id', 'strategy_id', 'broker_account_id', 'symbol', 'status', 'since', 'until'] as const;
const STATUSES = ['filled', 'partly_filled', 'pending', 'skipped', 'denied', 'rejected', 'expired', 'unknown'];

function columnsOf(names: Names): readonly Column<Schemas['Signal']>[] {
  return [
    {
      head: 'Received',
      sorts: ['newest', 'oldest'],
      cell: (signal) => (
        <To inherit to={`/signals/${signal.id}`}>
          <When at={signal.received_at} />
        </To>
      ),
    },
    { head: 'Status', cell: (signal) => <StatusBadge status={signal.status} /> },
    {
      head: 'Signal',
      cell: (signal) => (
        <>
          <SideText side={signal.action} /> {signal.comment}
        </>
      ),
    },
    { head: 'Symbol', cell: symbolOf },
    {
      head: 'Webhook',
      cell: ({ webhook_id }) => (
        <To inherit to={`/webhooks/${webhook_id}`}>
          {names.webhook(webhook_id)}
        </To>
      ),
    },
    { head: 'Result', cell: (signal) => resultOf(signal.strategies) },
    { head: 'Why', wide: true, cell: (signal) => <Reason code={signal.code}>{signal.reason}</Reason> },
    { head: 'Receipt to fill', figure: true, cell: fillTime },
  ];
}

/** What it traded: the strategies say it, or the alert where no strategy took it. */
function symbolOf(signal: Schemas['Signal']): string {
  const traded = signal.strategies.flatMap(({ orders }) => orders.map(({ symbol }) => symbol));
  return traded.length === 0 ? (signal.symbol ?? '–') : [...new Set(traded)].join(', ');
}

function fillTime(signal: Schemas['Signal']): string {
  const steps = signal.strategies.flatMap(({ timeline }) => timeline);
  const filled = steps.filter(({ step }) => step === 'filled').at(-1);
  return filled === undefined ? '–' : duration(filled.offset_us);
}

export function SignalsPage(): ReactNode {
  const [search, change] = useSearchParts(...FILTERS, 'sort', 'cursor');
  const names = useNames();
  const signals = useQuery(signalsQuery(asFilter<SignalFilter>(search)));
  return (
    <Page title="Signals">
      <Filters change={change} search={search} shown={FILTERS} statuses={STATUSES} />
      <List
        columns={columnsOf(names)}
        empty="No signal here. An alert that a webhook accepts becomes one."
        keyOf={({ id }) => id}
        label="Signals"
        minWidth={980}
        paging={pagingOf(search.cursor, change)}
        query={signals}
        sorting={sortingOf(search.sort, change)}
      />
    </Page>
  );
}
