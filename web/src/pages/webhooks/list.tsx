/** The webhooks: which there are, whether they take alerts, and making one. */
import { Alert, Button, CopyButton, Group, Modal, Stack, Switch, Table, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { Problem, type Schemas, api, got } from '../../api/client';
import { webhooksQuery } from '../../api/webhooks';
import { dateTime } from '../../format/times';
import { Empty, Loading, Refusal } from '../../parts/state';

export function WebhooksPage(): ReactNode {
  const webhooks = useQuery(webhooksQuery);
  const [making, { open, close }] = useDisclosure();
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={1}>Webhooks</Title>
        <Button onClick={open}>Create New Webhook</Button>
      </Group>
      {webhooks.isPending && <Loading />}
      {webhooks.isError && <Refusal error={webhooks.error} retry={() => void webhooks.refetch()} />}
      {webhooks.data?.items.length === 0 && <Empty>No webhook yet. Create one and paste its URL into TradingView.</Empty>}
      {webhooks.data !== undefined && webhooks.data.items.length > 0 && <WebhookTable webhooks={webhooks.data.items} />}
      <Modal closeOnClickOutside={false} onClose={close} opened={making} size="lg" title="Create New Webhook">
        <NewWebhook done={close} />
      </Modal>
    </Stack>
  );
}

function WebhookTable({ webhooks }: { webhooks: readonly Schemas['Webhook'][] }) {
  return (
    <Table.ScrollContainer minWidth={560}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Active</Table.Th>
            <Table.Th>Last alert</Table.Th>
            <Table.Th className="figure">Accepted, 24 h</Table.Th>
            <Table.Th className="figure">Refused, 24 h</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {webhooks.map((webhook) => (
            <WebhookRow key={webhook.id} webhook={webhook} />
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function WebhookRow({ webhook }: { webhook: Schemas['Webhook'] }) {
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: (active: boolean) =>
      got(api.PATCH('/api/v1/webhooks/{id}', { params: { path: { id: webhook.id } }, body: { active } })),
    onSettled: () => queries.invalidateQueries({ queryKey: ['webhooks'] }),
  });
  const { last_received_at: last, accepted_24h: accepted, refused_24h: refused } = webhook.activity;
  return (
    <Table.Tr>
      <Table.Td>
        {webhook.name}
        {change.error !== null && <Refusal error={change.error} />}
      </Table.Td>
      <Table.Td>
        <Switch
          aria-label={`${webhook.name} takes alerts`}
          checked={webhook.active}
          disabled={change.isPending}
          onChange={(event) => {
            change.mutate(event.currentTarget.checked);
          }}
        />
      </Table.Td>
      <Table.Td>{last == null ? 'never' : dateTime(last, 'local')}</Table.Td>
      <Table.Td className="figure">{accepted}</Table.Td>
      <Table.Td className="figure">{refused}</Table.Td>
    </Table.Tr>
  );
}

function NewWebhook({ done }: { done: () => void }) {
  const queries = useQueryClient();
  const form = useForm({ mode: 'uncontrolled', initialValues: { name: '', description: '' } });
  const make = useMutation({
    mutationFn: (body: Schemas['CreateWebhook']) => got(api.POST('/api/v1/webhooks', { body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['webhooks'] }),
    onError: (error) => {
      if (error instanceof Problem) {
        form.setErrors(error.fields);
      }
    },
  });
  if (make.data !== undefined) {
    return <ShownOnce done={done} webhook={make.data} />;
  }
  return (
    <form
      onSubmit={form.onSubmit((values) => {
        make.mutate(values);
      })}
    >
      <Stack>
        <TextInput key={form.key('name')} label="Name" required {...form.getInputProps('name')} />
        <TextInput key={form.key('description')} label="Description" {...form.getInputProps('description')} />
        {make.error !== null && <Refusal error={make.error} />}
        <Button loading={make.isPending} type="submit">
          Save
        </Button>
      </Stack>
    </form>
  );
}

function ShownOnce({ webhook, done }: { webhook: Schemas['WebhookWithSecret']; done: () => void }) {
  const shown = [
    ['Webhook URL', webhook.url],
    ['Token', webhook.token],
    ['Secret', webhook.secret],
  ] as const;
  return (
    <Stack>
      <Alert color="yellow" title="Copy these now">
        The secret, and the URL with it, are not shown again.
      </Alert>
      {shown.map(([label, value]) => (
        <Group align="flex-end" key={label} wrap="nowrap">
          <TextInput label={label} readOnly style={{ flex: 1 }} value={value} />
          <CopyButton value={value}>
            {({ copied, copy }) => (
              <Button aria-label={`Copy ${label}`} onClick={copy} variant="default">
                {copied ? 'Copied' : 'Copy'}
              </Button>
            )}
          </CopyButton>
        </Group>
      ))}
      <Text size="sm">Paste the URL into TradingView under Notifications, Webhook URL.</Text>
      <Button onClick={done}>I have saved them</Button>
    </Stack>
  );
}
