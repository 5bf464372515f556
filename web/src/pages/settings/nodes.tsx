/** The nodes that share this installation's work, for its administrator. */
import { Alert, Badge, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Fragment, type ReactNode } from 'react';

import { accountsQuery } from '../../api/accounts';
import type { Schemas } from '../../api/client';
import { nodesQuery } from '../../api/nodes';
import { versionsAlive, worksOn } from '../../format/nodes';
import { type Column, List } from '../../parts/list';
import { Page } from '../../parts/page';
import { To } from '../../parts/to';
import { When } from '../../parts/zone';

type Node = Schemas['Node'];

const COLUMNS: readonly Column<Node>[] = [
  {
    head: 'Name',
    cell: (node) => (
      <Text fw={600} inherit span>
        {node.name}
      </Text>
    ),
  },
  { head: 'Status', cell: (node) => <Life node={node} /> },
  { head: 'Address', cell: (node) => node.address },
  { head: 'Version', cell: (node) => node.version },
  { head: 'Since', cell: (node) => <When at={node.started_at} /> },
  { head: 'Broker accounts', wide: true, cell: (node) => <WorksOn node={node} /> },
];

export function NodesPage(): ReactNode {
  const nodes = useQuery(nodesQuery);
  const items = nodes.data?.items ?? [];
  return (
    <Page title="Nodes">
      <Versions of={versionsAlive(items)} />
      <List
        columns={COLUMNS}
        empty="This program runs alone, on a database of its own. Programs that share a PostgreSQL database are listed here."
        // A run has no name of its own here: the same machine begins another at another moment.
        keyOf={({ name, address, started_at }) => `${name} ${address} ${started_at}`}
        label="Nodes"
        query={nodes}
      />
      {items.some(({ alive }) => !alive) && (
        <Text c="dimmed" size="sm">
          A dead node was stopped, or has not been heard of for five seconds. The living ones take its broker accounts over
          within seconds. It stays on this list for an hour.
        </Text>
      )}
    </Page>
  );
}

function Versions({ of: versions }: { of: readonly string[] }) {
  if (versions.length < 2) {
    return null;
  }
  return (
    <Alert color="yellow" title="An upgrade is under way">
      Living nodes run different versions: {versions.join(', ')}. They work together until all run the same one.
    </Alert>
  );
}

/** A dead node is bad news only while accounts wait for another. */
function Life({ node: { alive, broker_accounts: accounts } }: { node: Node }) {
  const mood = alive ? 'good' : accounts > 0 ? 'bad' : 'calm';
  return (
    <Badge className={`status ${mood}`} variant="light">
      {alive ? 'alive' : 'dead'}
    </Badge>
  );
}

function WorksOn({ node }: { node: Node }) {
  const { alive, broker_accounts: accounts } = node;
  const { first, further, untold } = worksOn(node);
  if (accounts === 0) {
    return 'none';
  }
  return (
    <Stack gap={2}>
      {!alive && <Text size="xs">Nobody works on these until another node takes them over.</Text>}
      <div>
        {accounts}: <Accounts ids={first} />
      </div>
      {further.length > 0 && (
        <details>
          <summary>{accounts - first.length} more</summary>
          <Accounts ids={further} />
          {untold > 0 && ` and ${untold} more`}
        </details>
      )}
    </Stack>
  );
}

/** One's own by their names. Those of others have a number here, and no page. */
function Accounts({ ids }: { ids: readonly number[] }) {
  const own = useQuery(accountsQuery).data?.items;
  return ids.map((id, index) => {
    const label = own?.find((account) => account.id === id)?.label;
    return (
      <Fragment key={id}>
        {index > 0 && ', '}
        {label === undefined ? (
          `#${id}`
        ) : (
          <To inherit to={`/accounts/${id}`} underline="always">
            {label}
          </To>
        )}
      </Fragment>
    );
  });
}
