/** Where the books differ from the broker's, and the two ways out: a strategy takes the position over, or exits it. */
import { Alert, Group, NativeSelect, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { differencesQuery } from '../../api/accounts';
import { type Schemas, api, got } from '../../api/client';
import { changed } from '../../api/queries';
import { strategiesQuery } from '../../api/strategies';
import { grouped } from '../../format/decimals';
import { Confirm } from '../../parts/confirm';
import { Refusal } from '../../parts/state';

type Account = Pick<Schemas['BrokerAccount'], 'id' | 'label'>;

export function Differences({ account }: { account: Account }) {
  const differences = useQuery(differencesQuery(account.id));
  if (differences.isError) {
    return <Refusal error={differences.error} retry={() => void differences.refetch()} />;
  }
  return differences.data?.items.map((difference) => (
    <Alert color="yellow" key={difference.symbol} title={`${difference.symbol}: entries are paused here`}>
      <Stack gap="xs">
        <Text size="sm">{difference.detail}</Text>
        <Ways account={account} difference={difference} />
      </Stack>
    </Alert>
  ));
}

function Ways({ account, difference }: { account: Account; difference: Schemas['Difference'] }) {
  const { symbol } = difference;
  const strategies = useQuery(strategiesQuery).data?.items ?? [];
  const here = strategies.filter((one) => one.broker_account_id === account.id && one.symbol === symbol);
  const [chosen, choose] = useState<string>();
  const strategy = here.find(({ id }) => String(id) === chosen) ?? here[0];
  if (strategy === undefined) {
    return <Text size="sm">No strategy of yours trades it here any more: settle it at the broker.</Text>;
  }
  const others = difference.strategies.filter(({ strategy_id }) => strategy_id !== strategy.id);
  const adopt = (flatten: boolean) => async () => {
    const body = { symbol, strategy_id: strategy.id, flatten };
    await got(api.POST('/api/v1/broker-accounts/{id}/adopt', { params: { path: { id: account.id } }, body }));
    changed('accounts', 'positions', 'strategies', 'signals');
  };
  return (
    <Group align="end" gap="sm">
      {here.length > 1 && (
        <NativeSelect
          data={here.map(({ id, name }) => ({ value: String(id), label: name }))}
          label="Strategy"
          onChange={(event) => {
            choose(event.currentTarget.value);
          }}
          size="xs"
          value={String(strategy.id)}
        />
      )}
      <Confirm about={symbol} act={adopt(false)} confirm="Adopt" label="Adopt">
        {strategy.name} takes over what {account.label} holds of {symbol}, {grouped(difference.broker_net_qty)} in all
        {others.length > 0 && ', less what the other strategies hold there'}. Nothing is sent to the broker; its exits close
        that position from now on.
      </Confirm>
      <Confirm about={symbol} act={adopt(true)} confirm="Adopt and flatten" label="Adopt and flatten">
        {strategy.name} takes over what {account.label} holds of {symbol}, {grouped(difference.broker_net_qty)} in all
        {others.length > 0 && ', less what the other strategies hold there'}, and exits it at the market at once.
      </Confirm>
    </Group>
  );
}
