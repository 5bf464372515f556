/** The form of a strategy, for a new one and for one that there is. */
import { Alert, Button, Fieldset, Group, Select, SimpleGrid, Stack, Switch, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation } from '@tanstack/react-query';

import type { Schemas } from '../../api/client';
import { atFields } from '../../parts/form';
import { Refusal } from '../../parts/state';
import { SymbolSearch } from '../../parts/symbol_search';
import { EnvironmentBadge } from '../../parts/values';
import { Behavior, Size } from './behavior';
import type { EditorForm, EditorValues } from './values';

interface EditorProps {
  initial: EditorValues;
  webhooks: readonly Pick<Schemas['Webhook'], 'id' | 'name'>[];
  accounts: readonly Schemas['BrokerAccount'][];
  /** Whether the strategy is there already: then what it trades, and where, stays. */
  exists: boolean;
  submit: string;
  save: (values: EditorValues) => Promise<unknown>;
}

export function StrategyEditor({ initial, webhooks, accounts, exists, submit, save }: EditorProps) {
  const form = useForm<EditorValues>({ mode: 'uncontrolled', initialValues: initial });
  const saving = useMutation({
    mutationFn: save,
    onSuccess: () => {
      form.resetDirty();
    },
    onError: atFields(form),
  });
  return (
    <form
      onSubmit={form.onSubmit((values) => {
        saving.mutate(values);
      })}
    >
      <Stack>
        <Fieldset legend="What trades where">
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <TextInput
              key={form.key('name')}
              label="Name"
              maxLength={100}
              placeholder="ES long"
              required
              {...form.getInputProps('name')}
            />
            <Select
              allowDeselect={false}
              data={webhooks.map(({ id, name }) => ({ value: String(id), label: name }))}
              key={form.key('webhook_id')}
              label="Webhook"
              placeholder="Whose alerts it runs"
              required
              searchable
              {...form.getInputProps('webhook_id')}
            />
            {exists ? <Fixed accounts={accounts} values={initial} /> : <Place accounts={accounts} form={form} />}
          </SimpleGrid>
        </Fieldset>
        <Fieldset legend="How much">
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <Size form={form} />
          </SimpleGrid>
        </Fieldset>
        <Fieldset legend="How it behaves">
          <Stack>
            <Behavior form={form} />
          </Stack>
        </Fieldset>
        {!exists && (
          <Switch
            description="An active strategy runs every alert of its webhook from now on. A paused one waits until you activate it."
            key={form.key('active')}
            label="Active"
            {...form.getInputProps('active', { type: 'checkbox' })}
          />
        )}
        {saving.error !== null && <Refusal error={saving.error} />}
        <Group>
          <Button loading={saving.isPending} type="submit">
            {submit}
          </Button>
          {exists && saving.isSuccess && <Text role="status">Saved. The next alert runs by these settings.</Text>}
        </Group>
      </Stack>
    </form>
  );
}

/** Where a new strategy is to trade, and what. */
function Place({ accounts, form }: { accounts: readonly Schemas['BrokerAccount'][]; form: EditorForm }) {
  const chosen = form.useWatchValue('broker_account_id');
  const account = accounts.find(({ id }) => String(id) === chosen);
  return (
    <>
      <div>
        <Select
          allowDeselect={false}
          data={accounts.map(({ id, label, environment }) => ({ value: String(id), label: `${label} (${environment})` }))}
          description="Cannot be changed later."
          inputWrapperOrder={['label', 'input', 'description', 'error']}
          key={form.key('broker_account_id')}
          label="Broker account"
          placeholder="Where it trades"
          required
          searchable
          {...form.getInputProps('broker_account_id')}
        />
        {account?.environment === 'live' && (
          <Alert color="red" mt="xs" title="Live account">
            This strategy will trade real money.
          </Alert>
        )}
      </div>
      <div>
        <SymbolSearch
          account={account?.id}
          key={form.key('symbol')}
          required
          {...form.getInputProps('symbol')}
        />
        <Text c="dimmed" mt={4} size="xs">
          Cannot be changed later. The alert’s own symbol does not matter: the strategy trades this one.
        </Text>
      </div>
    </>
  );
}

/** What never changes of a strategy. */
function Fixed({ accounts, values }: { accounts: readonly Schemas['BrokerAccount'][]; values: EditorValues }) {
  const account = accounts.find(({ id }) => String(id) === values.broker_account_id);
  const why = 'Cannot be changed: the position would stay behind. Make another strategy instead.';
  return (
    <>
      <TextInput
        description={why}
        disabled
        inputWrapperOrder={['label', 'input', 'description', 'error']}
        label="Broker account"
        rightSection={account !== undefined && <EnvironmentBadge environment={account.environment} />}
        rightSectionWidth={90}
        value={account?.label ?? 'Unlinked'}
      />
      <TextInput
        description={why}
        disabled
        inputWrapperOrder={['label', 'input', 'description', 'error']}
        label="Symbol"
        value={values.symbol}
      />
    </>
  );
}
