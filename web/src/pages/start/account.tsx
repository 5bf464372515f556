import { Button, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';

import { api, got } from '../../api/client';
import { atFields } from '../../parts/form';
import { Refusal } from '../../parts/state';

export function AccountStep() {
  const queries = useQueryClient();
  const form = useForm({ mode: 'uncontrolled', initialValues: { label: 'Paper' } });
  const link = useMutation({
    mutationFn: ({ label }: { label: string }) =>
      got(api.POST('/api/v1/broker-accounts', { body: { broker: 'paper', environment: 'paper', label } })),
    onError: atFields(form),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['accounts'] }),
  });
  return (
    <form
      onSubmit={form.onSubmit((values) => {
        link.mutate(values);
      })}
    >
      <Stack>
        <Title order={2} size="h4">
          A paper account
        </Title>
        <Text size="sm">
          It fills orders at made-up or alert prices with play money, and behaves like a broker in all else. Link a real
          one later, under Broker accounts.
        </Text>
        <TextInput key={form.key('label')} label="Name" required {...form.getInputProps('label')} />
        {link.error !== null && <Refusal error={link.error} />}
        <Button loading={link.isPending} type="submit" w="fit-content">
          Make the paper account
        </Button>
      </Stack>
    </form>
  );
}
