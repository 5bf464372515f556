/** Changing the password. */
import { Alert, Button, Card, Stack, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { atFields } from '../../parts/form';
import { Refusal } from '../../parts/state';
import { SecretInput } from '../../parts/secret_input';

export function PasswordCard() {
  const queries = useQueryClient();
  const form = useForm<Schemas['ChangePassword']>({
    mode: 'uncontrolled',
    initialValues: { current_password: '', new_password: '' },
  });
  const change = useMutation({
    mutationFn: (body: Schemas['ChangePassword']) => got(api.POST('/api/v1/me/password', { body })),
    onError: atFields(form),
    onSuccess: () => {
      form.reset();
      return queries.invalidateQueries({ queryKey: ['sessions'] });
    },
  });
  return (
    <Card component="section" withBorder>
      <Title mb="xs" order={2} size="h4">
        Password
      </Title>
      <form
        onSubmit={form.onSubmit((values) => {
          change.mutate(values);
        })}
      >
        <Stack gap="sm" maw={400}>
          <SecretInput
            autoComplete="current-password"
            key={form.key('current_password')}
            label="Current password"
            required
            {...form.getInputProps('current_password')}
          />
          <SecretInput
            autoComplete="new-password"
            description="8 characters at least. Every other session ends; API keys stay."
            key={form.key('new_password')}
            label="New password"
            required
            {...form.getInputProps('new_password')}
          />
          {change.error !== null && <Refusal error={change.error} />}
          {change.isSuccess && <Alert color="teal" role="status" title="The new password is in force." />}
          <Button loading={change.isPending} type="submit" w="fit-content">
            Change password
          </Button>
        </Stack>
      </form>
    </Card>
  );
}
