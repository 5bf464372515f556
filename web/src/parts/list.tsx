/** A table of what a list of the API holds, one page at a time: the program pages, the browser never holds it all. */
import { Button, Group, Table, UnstyledButton } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { Key, ReactNode } from 'react';

import { Empty, Loading, Refusal } from './state';

export interface Column<Row> {
  head: string;
  /** Whether the cells are figures, which stand under each other. */
  figure?: boolean;
  /** Whether it takes a line of its own where a row is too narrow for a line. */
  wide?: boolean;
  /** The value of `sort` that orders by this column, and the one that reverses it. */
  sorts?: readonly [string, string];
  cell: (row: Row) => ReactNode;
}

interface RowsProps<Row> {
  /** What the table shows, for those who cannot see it. */
  label: string;
  columns: readonly Column<Row>[];
  keyOf: (row: Row) => Key;
  minWidth?: number;
  sorting?: { sort: string | undefined; by: (sort: string) => void };
}

interface ListProps<Row> extends RowsProps<Row> {
  query: UseQueryResult<{ items: Row[]; next_cursor: string | null }>;
  /** Said where there is no row at all. */
  empty: ReactNode;
  /** Where on the list the page is, and how to go elsewhere; left out where the list is always short. */
  paging?: { cursor: string | undefined; go: (cursor: string | undefined) => void };
}

export function List<Row>(props: ListProps<Row>) {
  const { query, empty, paging } = props;
  if (query.isPending) {
    return <Loading />;
  }
  if (query.isError && query.data === undefined) {
    return <Refusal error={query.error} retry={() => void query.refetch()} />;
  }
  const { items, next_cursor: older } = query.data;
  return (
    <>
      {query.isError && <Refusal error={query.error} retry={() => void query.refetch()} />}
      {items.length === 0 ? <Empty>{older === null ? empty : 'Nothing on this page.'}</Empty> : <Rows {...props} rows={items} />}
      {paging !== undefined && (paging.cursor !== undefined || older !== null) && (
        <Group justify="flex-end">
          <Button
            disabled={paging.cursor === undefined}
            onClick={() => {
              paging.go(undefined);
            }}
            variant="default"
          >
            First page
          </Button>
          <Button
            disabled={older === null}
            onClick={() => {
              paging.go(older ?? undefined);
            }}
            variant="default"
          >
            Next page
          </Button>
        </Group>
      )}
    </>
  );
}

/**
 * A table of rows that are there already. On a telephone each row is a block of named cells (tokens.css): the roles are said
 * because a browser forgets them where a table is not laid out as one.
 */
export function Rows<Row>({ label, rows, columns, keyOf, minWidth = 700, sorting }: RowsProps<Row> & { rows: readonly Row[] }) {
  return (
    <Table.ScrollContainer className="rows" minWidth={minWidth}>
      <Table aria-label={label} highlightOnHover role="table" verticalSpacing={6}>
        <Table.Thead role="rowgroup">
          <Table.Tr role="row">
            {columns.map((column) => (
              <Head column={column} key={column.head} sorting={sorting} />
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody role="rowgroup">
          {rows.map((row) => (
            <Table.Tr key={keyOf(row)} role="row">
              {columns.map((column) => (
                <Table.Td className={shapeOf(column)} data-head={column.head} key={column.head} role="cell">
                  {column.cell(row)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function shapeOf<Row>({ figure, wide }: Column<Row>): string | undefined {
  return figure === true ? 'figure' : wide === true ? 'wide' : undefined;
}

function Head<Row>({ column, sorting }: { column: Column<Row>; sorting: RowsProps<Row>['sorting'] }) {
  const { sorts } = column;
  const shape = shapeOf(column);
  if (sorts === undefined || sorting === undefined) {
    return (
      <Table.Th className={shape} role="columnheader">
        {column.head}
      </Table.Th>
    );
  }
  const [first, second] = sorts;
  const { sort } = sorting;
  const order = sort === first ? 'descending' : sort === second ? 'ascending' : undefined;
  return (
    <Table.Th aria-sort={order} className={shape} role="columnheader">
      <UnstyledButton
        fw={700}
        fz="sm"
        onClick={() => {
          sorting.by(sort === first ? second : first);
        }}
      >
        {column.head} {order === undefined ? '↕' : order === 'descending' ? '↓' : '↑'}
      </UnstyledButton>
    </Table.Th>
  );
}
