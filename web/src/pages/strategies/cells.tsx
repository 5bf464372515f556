/** What stands in the tables of strategies. */
import { Group } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { accountsQuery } from '../../api/accounts';
import type { Schemas } from '../../api/client';
import { To } from '../../parts/to';
import { EnvironmentBadge, Figure, SideText } from '../../parts/values';

/** An account by its name, and whether its money is real; what is unlinked says so. */
export function AccountName({ id }: { id: number }) {
  const accounts = useQuery(accountsQuery).data;
  const account = accounts?.items.find((one) => one.id === id);
  if (account === undefined) {
    return accounts?.next_cursor === null ? 'Unlinked' : `#${id}`;
  }
  return (
    <Group gap="xs">
      <To inherit to={`/accounts/${id}`}>
        {account.label}
      </To>
      <EnvironmentBadge environment={account.environment} />
    </Group>
  );
}

/** What is held, in a word and a figure. Nothing was ever held where there is no position. */
export function Held({ position }: { position: Pick<Schemas['Position'], 'side' | 'net_qty'> | undefined }) {
  if (position === undefined || position.side === 'flat') {
    return 'flat';
  }
  return (
    <>
      <SideText side={position.side} /> <Figure value={position.net_qty.replace('-', '')} />
    </>
  );
}
