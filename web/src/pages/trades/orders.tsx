/** The orders. */
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import type { Schemas } from '../../api/client';
import { type OrderFilter, ordersQuery } from '../../api/trades';
import { pagingOf, sortingOf, useSearchParts } from '../../parts/address';
import { CsvLink, Filters, asFilter } from '../../parts/filters';
import { List } from '../../parts/list';
import { useNames } from '../../parts/names';
import { Page } from '../../parts/page';
import { ORDER_COLUMNS, originColumns } from '../../parts/trades';

const FILTERS = ['strategy_id', 'broker_account_id', 'symbol', 'status', 'since', 'until'] as const;
const STATUSES = [
  'pending',
  'working',
  'partially_filled',
  'filled',
  'canceled',
  'rejected',
  'denied',
  'expired',
  'unknown',
];

export function OrdersPage(): ReactNode {
  const [search, change] = useSearchParts(...FILTERS, 'sort', 'cursor');
  const names = useNames();
  const orders = useQuery(ordersQuery(asFilter<OrderFilter>(search)));
  const { cursor, ...listed } = search;
  return (
    <Page actions={<CsvLink list="orders" search={listed} />} title="Orders">
      <Filters change={change} search={search} shown={FILTERS} statuses={STATUSES} />
      <List
        columns={[...originColumns(names, ({ planned_at }: Schemas['Order']) => planned_at, 'Planned'), ...ORDER_COLUMNS]}
        empty="No order here. A signal becomes orders where its strategy asks for a trade."
        keyOf={(order) => order.client_order_id}
        label="Orders"
        minWidth={1040}
        paging={pagingOf(cursor, change)}
        query={orders}
        sorting={sortingOf(search.sort, change)}
      />
    </Page>
  );
}
