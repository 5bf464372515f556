/** Signing in, and registering where the installation allows it. */
import { Anchor, Button, Card, Center, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';

import { Problem } from '../api/client';
import { type Credentials, logIn, meQuery, register, systemQuery } from '../api/session';
import { ownPath } from '../format/search';
import { useSearchParts } from '../parts/address';
import { Refusal } from '../parts/state';
import { SecretInput } from '../parts/secret_input';

export function SignInPage(): ReactNode {
  const system = useQuery(systemQuery);
  const [chosen, setChosen] = useState<boolean>();
  const nobody = system.data?.first_user_missing === true;
  const open = system.data !== undefined && (nobody || system.data.registration === 'open');
  const mayRegister = open && system.data.registration !== 'closed';
  const registers = mayRegister && (chosen ?? nobody);
  return (
    <Center component="main" mih="100vh" p="md">
      <Card maw={420} padding="xl" w="100%" withBorder>
        <Stack>
          <Text fw={700}>Atomik</Text>
          <Title order={1} size="h2">
            {registers ? 'Register' : 'Log in'}
          </Title>
          {nobody && registers && <Text>Nobody uses this installation yet. You become its administrator.</Text>}
          <CredentialsForm key={String(registers)} registers={registers} />
          {mayRegister && (
            <Anchor
              component="button"
              onClick={() => {
                setChosen(!registers);
              }}
              type="button"
            >
              {registers ? 'I have a password already' : 'Register'}
            </Anchor>
          )}
        </Stack>
      </Card>
    </Center>
  );
}

function CredentialsForm({ registers }: { registers: boolean }) {
  const queries = useQueryClient();
  const { history } = useRouter();
  const [{ to }] = useSearchParts('to');
  const form = useForm<Credentials>({ mode: 'uncontrolled', initialValues: { email: '', password: '' } });
  const enter = useMutation({
    mutationFn: registers ? register : logIn,
    onSuccess: async () => {
      queries.removeQueries();
      await queries.query(meQuery);
      history.push(registers ? '/start' : ownPath(to));
    },
    onError: (error) => {
      if (error instanceof Problem) {
        form.setErrors(error.fields);
      }
    },
  });
  return (
    <form
      onSubmit={form.onSubmit((credentials) => {
        enter.mutate(credentials);
      })}
    >
      <Stack>
        <TextInput
          autoComplete="username"
          key={form.key('email')}
          label="Email"
          required
          type="email"
          {...form.getInputProps('email')}
        />
        <SecretInput
          autoComplete={registers ? 'new-password' : 'current-password'}
          description={registers ? '8 characters at least' : undefined}
          key={form.key('password')}
          label="Password"
          required
          {...form.getInputProps('password')}
        />
        {enter.error !== null && <Refusal error={enter.error} />}
        <Button loading={enter.isPending} type="submit">
          {registers ? 'Register' : 'Log in'}
        </Button>
      </Stack>
    </form>
  );
}
