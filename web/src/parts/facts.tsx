/** Facts of one thing: what each is, and how it stands. */
import { SimpleGrid, Text } from '@mantine/core';
import type { ReactNode } from 'react';

export type Fact = readonly [label: string, value: ReactNode];

export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <SimpleGrid cols={{ base: 2, xs: 3, md: 4 }} component="dl" m={0} spacing="md" verticalSpacing="sm">
      {facts.map(([label, value]) => (
        <div key={label}>
          <Text c="dimmed" component="dt" size="xs">
            {label}
          </Text>
          <Text component="dd" fw={600} m={0} size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>
            {value}
          </Text>
        </div>
      ))}
    </SimpleGrid>
  );
}
