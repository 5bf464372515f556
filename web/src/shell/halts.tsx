/** What is halted, above every page: nobody should wonder why nothing trades. */
import { Alert, Box, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import type { Schemas } from '../api/client';
import { haltsQuery } from '../api/halts';
import { LiftHalt } from '../parts/halt';
import { useNames } from '../parts/names';
import { When } from '../parts/zone';

const STOPPED = { entries: 'Entries are halted', all: 'All orders are halted' };

export function Halts() {
  const halts = useQuery(haltsQuery).data?.items ?? [];
  return (
    halts.length > 0 && (
      <Alert color="red" px="sm" py="xs" role="alert">
        <Stack gap="xs">
          {halts.map((halt) => (
            <HaltLine halt={halt} key={halt.id} />
          ))}
        </Stack>
      </Alert>
    )
  );
}

function HaltLine({ halt }: { halt: Schemas['Halt'] }) {
  const names = useNames();
  const id = halt.target_id ?? 0;
  const where: Readonly<Record<string, string>> = {
    account: `broker account ${names.account(id)}`,
    strategy: `strategy ${names.strategy(id)}`,
  };
  return (
    <Group justify="space-between" wrap="nowrap">
      <Text size="sm">
        <Text c="var(--loss)" fw={600} inherit span>
          {STOPPED[halt.mode]}: {where[halt.scope] ?? 'the whole installation'}
        </Text>{' '}
        {halt.reason}{' '}
        <Text inherit span visibleFrom="sm">
          · since <When at={halt.created_at} />
        </Text>
      </Text>
      <Box flex="none">
        <LiftHalt halt={halt} />
      </Box>
    </Group>
  );
}
