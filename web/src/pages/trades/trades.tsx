/** The fills: what was traded. */
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import type { Schemas } from '../../api/client';
import { type FillFilter, fillsQuery } from '../../api/trades';
import { pagingOf, sortingOf, useSearchParts } from '../../parts/address';
import { CsvLink, Filters, asFilter } from '../../parts/filters';
import { List } from '../../parts/list';
import { useNames } from '../../parts/names';
import { Page } from '../../parts/page';
import { FILL_COLUMNS, originColumns } from '../../parts/trades';

const FILTERS = ['strategy_id', 'broker_account_id', 'symbol', 'since', 'until'] as const;

export function TradesPage(): ReactNode {
  const [search, change] = useSearchParts(...FILTERS, 'sort', 'cursor');
  const names = useNames();
  const fills = useQuery(fillsQuery(asFilter<FillFilter>(search)));
  const { cursor, ...listed } = search;
  return (
    <Page actions={<CsvLink list="fills" search={listed} />} title="Trades">
      <Filters change={change} search={search} shown={FILTERS} />
      <List
        columns={[...originColumns(names, ({ traded_at }: Schemas['Fill']) => traded_at, 'Traded'), ...FILL_COLUMNS]}
        empty="No trade here. Every fill of an order is one."
        keyOf={(fill) => fill.exec_id}
        label="Trades"
        minWidth={820}
        paging={pagingOf(cursor, change)}
        query={fills}
        sorting={sortingOf(search.sort, change)}
      />
    </Page>
  );
}
