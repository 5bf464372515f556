/** The keys that programs sign in with. */
import { Alert, Button, Card, Group, Stack, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { type Schemas, api, got } from '../../api/client';
import { changed } from '../../api/queries';
import { Confirm } from '../../parts/confirm';
import { CopyField } from '../../parts/copy_field';
import { atFields } from '../../parts/form';
import { type Column, List } from '../../parts/list';
import { Refusal } from '../../parts/state';
import { When } from '../../parts/zone';

const COLUMNS: readonly Column<Schemas['ApiKey']>[] = [
  { head: 'Name', cell: (key) => key.name },
  { head: 'Made', cell: (key) => <When at={key.created_at} /> },
  { head: 'Last used', cell: (key) => (key.last_used_at === null ? 'never' : <When at={key.last_used_at} />) },
  { head: 'Actions', cell: (key) => <Revoke apiKey={key} /> },
];

export function ApiKeysCard() {
  const [cursor, setCursor] = useState<string>();
  const keys = useQuery({
    queryKey: ['api-keys', cursor],
    placeholderData: keepPreviousData,
    queryFn: () =>
      got(api.GET('/api/v1/api-keys', { params: { query: cursor === undefined ? {} : { cursor } } })),
  });
  return (
    <Card component="section" withBorder>
      <Title mb="xs" order={2} size="h4">
        API keys
      </Title>
      <Stack>
        <NewKey />
        <List
          columns={COLUMNS}
          empty="No key yet. A program of yours sends one as Authorization: Bearer."
          keyOf={({ id }) => id}
          label="API keys"
          paging={{ cursor, go: setCursor }}
          query={keys}
        />
      </Stack>
    </Card>
  );
}

function NewKey() {
  const form = useForm({ mode: 'uncontrolled', initialValues: { name: '' } });
  const make = useMutation({
    mutationFn: (body: Schemas['CreateApiKey']) => got(api.POST('/api/v1/api-keys', { body })),
    onError: atFields(form),
    onSuccess: () => {
      form.reset();
      changed('api-keys');
    },
  });
  return (
    <>
      <form
        onSubmit={form.onSubmit((values) => {
          make.mutate(values);
        })}
      >
        <Group align="flex-end">
          <TextInput key={form.key('name')} label="Name of a new key" required {...form.getInputProps('name')} />
          <Button loading={make.isPending} type="submit">
            Make a key
          </Button>
        </Group>
      </form>
      {make.error !== null && <Refusal error={make.error} />}
      {make.data !== undefined && (
        <Alert color="yellow" title="Copy the key now: it is not shown again">
          <CopyField label={`Key ${make.data.name}`} value={make.data.key} />
        </Alert>
      )}
    </>
  );
}

function Revoke({ apiKey }: { apiKey: Schemas['ApiKey'] }) {
  const revoke = async () => {
    await got(api.DELETE('/api/v1/api-keys/{id}', { params: { path: { id: apiKey.id } } }));
    changed('api-keys');
  };
  return (
    <Confirm about={apiKey.name} act={revoke} confirm="Revoke" label="Revoke">
      Programs that use this key are refused from now on.
    </Confirm>
  );
}
