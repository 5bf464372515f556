/** The broker accounts: what is in them, and the way out of the market. */
import { Card, Group, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { balanceQuery, isConnected } from '../../api/accounts';
import type { Schemas } from '../../api/client';
import { money } from '../../format/decimals';
import { FlattenAccount } from '../../parts/flatten';
import { To } from '../../parts/to';
import { EnvironmentBadge, StatusBadge } from '../../parts/values';

export function AccountsCard({ accounts }: { accounts: readonly Schemas['BrokerAccount'][] }) {
  return (
    <Card component="section" withBorder>
      <Title mb="xs" order={2} size="h4">
        Broker accounts
      </Title>
      {accounts.length === 0 && (
        <To size="sm" to="/accounts">
          Link one
        </To>
      )}
      <Stack gap="sm">
        {accounts.map((account) => (
          <AccountRow account={account} key={account.id} />
        ))}
      </Stack>
    </Card>
  );
}

function AccountRow({ account }: { account: Schemas['BrokerAccount'] }) {
  const connected = isConnected(account);
  const balance = useQuery({ ...balanceQuery(account.id), enabled: connected });
  const asked =
    balance.data === undefined
      ? (balance.error?.message ?? 'Asking the broker …')
      : `${money(balance.data.equity)} ${balance.data.currency} equity, ${money(balance.data.buying_power)} buying power`;
  return (
    <Group justify="space-between">
      <div>
        <Group gap="xs">
          <To fw={600} size="sm" to={`/accounts/${account.id}`}>
            {account.label}
          </To>
          <EnvironmentBadge environment={account.environment} />
          <StatusBadge status={account.status.state} />
        </Group>
        <Text size="sm">{connected ? asked : (account.status.detail ?? 'Not connected yet.')}</Text>
      </div>
      <FlattenAccount account={account} />
    </Group>
  );
}
