import { Button, Group, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { atFields } from '../../parts/form';
import { Refusal } from '../../parts/state';
import { SymbolSearch } from '../../parts/symbol_search';

interface StrategyStepProps {
  account: Schemas['BrokerAccount'];
  webhook: Schemas['Webhook'];
  done: (strategy: Schemas['Strategy']) => void;
}

export function StrategyStep({ account, webhook, done }: StrategyStepProps) {
  const queries = useQueryClient();
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { name: 'My first strategy', symbol: 'AAPL', quantity: '1' },
  });
  const make = useMutation({
    mutationFn: (values: { name: string; symbol: string; quantity: string }) => {
      const links = { broker_account_id: account.id, webhook_id: webhook.id };
      return got(api.POST('/api/v1/strategies', { body: { ...values, ...links, active: true } }));
    },
    onError: atFields(form),
    onSuccess: async (strategy) => {
      await queries.invalidateQueries({ queryKey: ['strategies'] });
      done(strategy);
    },
  });
  return (
    <form
      onSubmit={form.onSubmit((values) => {
        make.mutate(values);
      })}
    >
      <Stack>
        <Title order={2} size="h4">
          A strategy
        </Title>
        <Text size="sm">
          Alerts to {webhook.name} trade this on {account.label}. It never holds more than one entry&rsquo;s quantity, until
          you raise its limit.
        </Text>
        <TextInput key={form.key('name')} label="Name" required {...form.getInputProps('name')} />
        <Group align="flex-start" grow>
          <SymbolSearch account={account.id} key={form.key('symbol')} required {...form.getInputProps('symbol')} />
          <TextInput
            description="How much one entry trades"
            inputMode="decimal"
            key={form.key('quantity')}
            label="Quantity"
            required
            {...form.getInputProps('quantity')}
          />
        </Group>
        {make.error !== null && <Refusal error={make.error} />}
        <Button loading={make.isPending} type="submit" w="fit-content">
          Make and activate the strategy
        </Button>
      </Stack>
    </form>
  );
}
