/** Orders and fills in tables, wherever they stand. */
import { Text } from '@mantine/core';

import type { Schemas } from '../api/client';
import { money } from '../format/decimals';
import { reasonOf } from '../format/reasons';
import { type Column, Rows } from './list';
import type { Names } from './names';
import { To } from './to';
import { Figure, Profit, Reason, SideText, StatusBadge } from './values';
import { When } from './zone';

type Order = Schemas['Order'];
type Fill = Schemas['Fill'];

export const ORDER_COLUMNS: readonly Column<Order>[] = [
  {
    head: 'Order',
    cell: (order) => (
      <>
        <SideText side={order.side} /> <Figure value={order.order_qty} /> {order.symbol}
      </>
    ),
  },
  { head: 'Type', cell: typeOf },
  { head: 'Status', cell: (order) => <StatusBadge status={order.status} /> },
  { head: 'Filled', figure: true, cell: (order) => <Figure value={order.filled_qty} /> },
  { head: 'Average', figure: true, cell: (order) => <Figure value={order.avg_price} /> },
  { head: 'Alert’s price', figure: true, cell: (order) => <Figure value={order.reference_price} /> },
  { head: 'Slippage', figure: true, cell: (order) => <Figure value={order.slippage} /> },
  { head: 'Why', wide: true, cell: whyOf },
];

function whyOf(order: Order) {
  const { code, sentence } = reasonOf(order);
  return code === undefined ? sentence : <Reason code={code}>{sentence}</Reason>;
}

function typeOf(order: Order): string {
  const prices = [order.limit_price, order.stop_price].filter((price) => price != null);
  const words = [order.order_type.replace('_', ' '), ...prices, order.time_in_force.toUpperCase()];
  return order.reduce_only ? [...words, 'reduce only'].join(' ') : words.join(' ');
}

export const FILL_COLUMNS: readonly Column<Fill>[] = [
  {
    head: 'Fill',
    cell: (fill) => (
      <>
        <SideText side={fill.side} /> <Figure value={fill.last_qty} /> {fill.symbol}
      </>
    ),
  },
  {
    head: 'Price',
    figure: true,
    cell: (fill) => (
      <>
        <Figure value={fill.last_price} />
        <Text c="dimmed" size="xs">
          {fill.price_source}
        </Text>
      </>
    ),
  },
  { head: 'Profit', figure: true, cell: (fill) => <Profit amount={fill.realized_profit} /> },
  {
    head: 'Commission',
    figure: true,
    cell: (fill) => (
      <>
        {money(fill.commission)}
        {fill.fee_qty !== '0' && (
          <Text c="dimmed" size="xs">
            taken in kind: {fill.fee_qty}
          </Text>
        )}
      </>
    ),
  },
];

/** When, by which signal, on which strategy and account: what a row says of where it comes from. */
export function originColumns<Row extends Pick<Fill, 'signal_id' | 'strategy_id' | 'broker_account_id'>>(
  names: Names,
  time: (row: Row) => string,
  head: string,
): readonly Column<Row>[] {
  return [
    {
      head,
      sorts: ['newest', 'oldest'],
      cell: (row) => (
        <To inherit to={`/signals/${row.signal_id}`}>
          <When at={time(row)} />
        </To>
      ),
    },
    {
      head: 'Strategy',
      cell: ({ strategy_id, broker_account_id }) => (
        <>
          <To inherit to={`/strategies/${strategy_id}`}>
            {names.strategy(strategy_id)}
          </To>
          <Text c="dimmed" size="xs">
            {names.account(broker_account_id)}
          </Text>
        </>
      ),
    },
  ];
}

export function OrderTable({ orders, label }: { orders: readonly Order[]; label: string }) {
  return <Rows columns={ORDER_COLUMNS} keyOf={(order) => order.client_order_id} label={label} rows={orders} />;
}

export function FillTable({ fills, label }: { fills: readonly Fill[]; label: string }) {
  const columns = [
    { head: 'Traded', cell: (fill: Fill) => <When at={fill.traded_at} /> },
    ...FILL_COLUMNS,
  ];
  return <Rows columns={columns} keyOf={(fill) => fill.exec_id} label={label} minWidth={520} rows={fills} />;
}
