/** The latest that came to a strategy, and what it ordered. */
import { useQuery } from '@tanstack/react-query';

import type { Schemas } from '../../api/client';
import { signalsQuery } from '../../api/signals';
import { ordersQuery } from '../../api/trades';
import { type Column, List } from '../../parts/list';
import { Section } from '../../parts/section';
import { To } from '../../parts/to';
import { Figure, Reason, SideText, StatusBadge } from '../../parts/values';
import { When } from '../../parts/zone';

const LATEST = 10;

export function RecentSignals({ id }: { id: number }) {
  const signals = useQuery(signalsQuery({ strategy_id: id, limit: LATEST }));
  const of = (signal: Schemas['Signal']) => signal.strategies.find(({ strategy_id }) => strategy_id === id) ?? signal;
  const columns: Column<Schemas['Signal']>[] = [
    { head: 'Received', cell: ({ id: signal, received_at }) => <ToSignal at={received_at} signal={signal} /> },
    {
      head: 'Alert',
      cell: (signal) => (
        <>
          <SideText side={signal.action} /> {signal.comment}
        </>
      ),
    },
    { head: 'Result', cell: (signal) => <StatusBadge status={of(signal).status} /> },
    { head: 'Why', cell: (signal) => <Reason code={of(signal).code}>{of(signal).reason}</Reason> },
  ];
  return (
    <Section beside={<All id={id} of="signals" />} title="Latest signals">
      <List
        columns={columns}
        empty="No alert has come to it yet. Send one to its webhook, and it shows here at once."
        keyOf={(signal) => signal.id}
        label="Latest signals"
        minWidth={640}
        query={signals}
      />
    </Section>
  );
}

export function RecentOrders({ id }: { id: number }) {
  const orders = useQuery(ordersQuery({ strategy_id: id, limit: LATEST }));
  const columns: Column<Schemas['Order']>[] = [
    { head: 'Planned', cell: ({ signal_id, planned_at }) => <ToSignal at={planned_at} signal={signal_id} /> },
    {
      head: 'Order',
      cell: (order) => (
        <>
          <SideText side={order.side} /> <Figure value={order.order_qty} />
        </>
      ),
    },
    { head: 'Status', cell: (order) => <StatusBadge status={order.status} /> },
    { head: 'Filled', figure: true, cell: (order) => <Figure value={order.filled_qty} /> },
    { head: 'Average', figure: true, cell: (order) => <Figure value={order.avg_price} /> },
    { head: 'Slippage', figure: true, cell: (order) => <Figure value={order.slippage} /> },
    { head: 'Why', cell: (order) => order.reason ?? '' },
  ];
  return (
    <Section beside={<All id={id} of="orders" />} title="Latest orders">
      <List
        columns={columns}
        empty="It has ordered nothing yet."
        keyOf={(order) => order.client_order_id}
        label="Latest orders"
        minWidth={700}
        query={orders}
      />
    </Section>
  );
}

function ToSignal({ signal, at }: { signal: number; at: string }) {
  return (
    <To inherit to={`/signals/${signal}`}>
      <When at={at} />
    </To>
  );
}

function All({ of, id }: { of: 'signals' | 'orders'; id: number }) {
  return (
    <To search={{ strategy_id: String(id) }} size="sm" to={`/${of}`}>
      All {of}
    </To>
  );
}
