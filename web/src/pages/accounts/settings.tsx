/** What may be changed about a broker account, and unlinking it. */
import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';

import { brokersQuery } from '../../api/accounts';
import { Problem, type Schemas, api, got } from '../../api/client';
import { changed } from '../../api/queries';
import { settingErrors, settingText, settingsOf } from '../../format/settings';
import { Confirm } from '../../parts/confirm';
import { atFields } from '../../parts/form';
import { Section } from '../../parts/section';
import { Loading, Refusal } from '../../parts/state';
import { When } from '../../parts/zone';
import { CredentialFields, SettingFields, type Texts, checkTexts, textsOf } from './fields';

type Account = Schemas['BrokerAccount'];

export function Settings({ account, strategies }: { account: Account; strategies: readonly Schemas['Strategy'][] }) {
  const brokers = useQuery(brokersQuery);
  const broker = brokers.data?.items.find((one) => one.broker === account.broker);
  return (
    <Stack maw={860}>
      {brokers.isPending && <Loading />}
      {brokers.isError && <Refusal error={brokers.error} retry={() => void brokers.refetch()} />}
      {broker !== undefined && (
        <Section title="Label and settings">
          <Editor account={account} broker={broker} />
        </Section>
      )}
      {broker !== undefined && broker.credential_fields.length > 0 && (
        <Section title="Credentials">
          <Credentials account={account} broker={broker} />
        </Section>
      )}
      <Unlinking account={account} strategies={strategies} />
    </Stack>
  );
}

interface Values {
  label: string;
  settings: Texts;
}

function Editor({ account, broker }: { account: Account; broker: Schemas['Broker'] }) {
  const queries = useQueryClient();
  const { id } = account;
  const written: Readonly<Record<string, unknown>> = account.settings;
  const form = useForm<Values>({
    mode: 'uncontrolled',
    initialValues: {
      label: account.label,
      settings: textsOf(broker.setting_fields, ({ name, kind }) => settingText(kind, written[name])),
    },
    validate: ({ settings }) => checkTexts(broker.setting_fields, settings),
  });
  const save = useMutation({
    mutationFn: ({ label, settings }: Values) => {
      // The document says of settings only that they are an object: their shape is the broker's.
      const body = { label, settings: settingsOf(broker.setting_fields, settings) as Record<string, never> };
      return got(api.PATCH('/api/v1/broker-accounts/{id}', { params: { path: { id } }, body }));
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ['accounts'] }),
    onError: (error) => {
      form.setErrors(error instanceof Problem ? settingErrors(error.fields) : {});
    },
  });
  return (
    <form
      onSubmit={form.onSubmit((values) => {
        save.mutate(values);
      })}
    >
      <Stack>
        <TextInput key={form.key('label')} label="Label" maxLength={100} required {...form.getInputProps('label')} />
        {broker.setting_fields.length > 0 && <SettingFields fields={broker.setting_fields} form={form} />}
        {save.error !== null && <Refusal error={save.error} />}
        <Group>
          <Button loading={save.isPending} type="submit">
            Save
          </Button>
          {save.isSuccess && <Text role="status">Saved.</Text>}
        </Group>
      </Stack>
    </form>
  );
}

/** Other credentials in place of those it has, which are never shown. The account connects anew with them. */
function Credentials({ account: { id, credentials_set_at: setAt }, broker }: { account: Account; broker: Schemas['Broker'] }) {
  const form = useForm<{ credentials: Texts }>({
    mode: 'uncontrolled',
    initialValues: { credentials: textsOf(broker.credential_fields, () => '') },
  });
  const replace = useMutation({
    // Credentials are forgotten with the form.
    gcTime: 0,
    mutationFn: ({ credentials }: { credentials: Texts }) => {
      const given = Object.entries(credentials).filter(([, secret]) => secret !== '');
      const body = { credentials: Object.fromEntries(given) };
      return got(api.PATCH('/api/v1/broker-accounts/{id}', { params: { path: { id } }, body }));
    },
    onError: atFields(form),
    onSuccess: () => {
      form.reset();
      changed('accounts');
    },
  });
  return (
    <form
      autoComplete="off"
      onSubmit={form.onSubmit((values) => {
        replace.mutate(values);
      })}
    >
      <Stack>
        <Text size="sm">
          {setAt == null ? 'None are set.' : <>Set <When at={setAt} />. They are sealed, and never shown again.</>} What you
          enter here takes their place as a whole, and the account connects anew.
        </Text>
        <CredentialFields fields={broker.credential_fields} form={form} />
        {replace.error !== null && <Refusal error={replace.error} />}
        <Group>
          <Button loading={replace.isPending} type="submit">
            Replace the credentials
          </Button>
          {replace.isSuccess && <Text role="status">Replaced.</Text>}
        </Group>
      </Stack>
    </form>
  );
}

function Unlinking({ account, strategies }: { account: Account; strategies: readonly Schemas['Strategy'][] }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const { id, label } = account;
  const unlink = async () => {
    await got(api.DELETE('/api/v1/broker-accounts/{id}', { params: { path: { id } } }));
    // Asked for anew by the pages to come; this one would ask for what is gone.
    const changed = ['accounts', 'strategies', 'plan'];
    await Promise.all(changed.map((key) => queries.invalidateQueries({ queryKey: [key], refetchType: 'none' })));
    await navigate({ to: '/accounts' });
  };
  return (
    <Section
      beside={
        <Confirm about={label} act={unlink} confirm="Unlink" label="Unlink">
          <Text>
            Nothing is sent to the broker: what {label} holds there stays there, and nobody here closes it. Flatten the
            account first to leave nothing behind.
          </Text>
          {strategies.length > 0 && (
            <Text mt="xs">
              {strategies.map(({ name }) => name).join(', ')} {strategies.length === 1 ? 'is' : 'are'} paused for good: a
              strategy never changes its account.
            </Text>
          )}
          <Text mt="xs">Signals, orders and trades stay on record.</Text>
        </Confirm>
      }
      title="Unlink this account"
    >
      <Text size="sm">Its strategies stop for good. Not possible while an order of the account is on its way.</Text>
    </Section>
  );
}
