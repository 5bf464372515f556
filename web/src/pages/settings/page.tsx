/** What the signed-in user sets for themselves. */
import { Card, Table, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import type { Schemas } from '../../api/client';
import { meQuery } from '../../api/session';
import { Page } from '../../parts/page';
import { When } from '../../parts/zone';
import { ApiKeysCard } from './api_keys';
import { PasswordCard } from './password';
import { PlanCard } from './plan';
import { SessionsCard } from './sessions';

export function SettingsPage(): ReactNode {
  const me = useQuery(meQuery).data;
  return (
    <Page title="Settings">
      {me != null && <ProfileCard me={me} />}
      <PlanCard />
      <PasswordCard />
      <SessionsCard />
      <ApiKeysCard />
    </Page>
  );
}

function ProfileCard({ me }: { me: Schemas['Me'] }) {
  const facts = [
    ['Email', me.email],
    ['Role', me.role === 'admin' ? 'Administrator' : 'Trader'],
    ['Registered', <When at={me.created_at} key="registered" />],
  ] as const;
  return (
    <Card component="section" withBorder>
      <Title mb="xs" order={2} size="h4">
        Profile
      </Title>
      <Table aria-label="Profile" maw={480} variant="vertical" withRowBorders={false}>
        <Table.Tbody>
          {facts.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th scope="row" w={140}>
                {name}
              </Table.Th>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}
