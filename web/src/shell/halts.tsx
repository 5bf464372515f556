/** What is halted, above every page: nobody should wonder why nothing trades. */
import { Alert } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import type { Schemas } from '../api/client';
import { haltsQuery } from '../api/halts';
import { LiftHalt } from '../parts/halt';
import { useNames } from '../parts/names';
import { When } from '../parts/zone';

const STOPPED = { entries: 'Entries are halted', all: 'All orders are halted' };

export function Halts() {
  const halts = useQuery(haltsQuery).data?.items ?? [];
  return halts.map((halt) => <HaltBanner halt={halt} key={halt.id} />);
}

function HaltBanner({ halt }: { halt: Schemas['Halt'] }) {
  const names = useNames();
  const id = halt.target_id ?? 0;
  const where: Readonly<Record<string, string>> = {
    account: `broker account ${names.account(id)}`,
    strategy: `strategy ${names.strategy(id)}`,
  };
  return (
    <Alert color="red" role="alert" title={`${STOPPED[halt.mode]}: ${where[halt.scope] ?? 'the whole installation'}`}>
      {halt.reason} · since <When at={halt.created_at} />{' '}
      <LiftHalt halt={halt} />
    </Alert>
  );
}
