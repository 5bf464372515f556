/** What stands around every page of a signed-in user. */
import { AppShell, Burger, Button, Group, NavLink, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Navigate, Outlet } from '@tanstack/react-router';

import { useEvents } from '../api/events';
import { logOut, meQuery } from '../api/session';
import { Loading, Refusal } from '../parts/state';

export function Frame() {
  const me = useQuery(meQuery);
  if (me.isPending) {
    return <Loading />;
  }
  if (me.isError) {
    return <Refusal error={me.error} retry={() => void me.refetch()} />;
  }
  return me.data === null ? <Navigate to="/sign-in" /> : <SignedIn email={me.data.email} />;
}

function SignedIn({ email }: { email: string }) {
  const [opened, { toggle, close }] = useDisclosure();
  const queries = useQueryClient();
  const stream = useEvents();
  const leave = async () => {
    await logOut();
    await queries.resetQueries();
  };
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 200, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding="md"
    >
      <AppShell.Header>
        <Group h="100%" justify="space-between" px="md" wrap="nowrap">
          <Group wrap="nowrap">
            <Burger aria-label="Menu" hiddenFrom="sm" onClick={toggle} opened={opened} size="sm" />
            <Text fw={700}>Atomik</Text>
          </Group>
          <Group wrap="nowrap">
            <Text role="status" size="sm">
              {stream === 'live' ? 'Live' : 'Reconnecting …'}
            </Text>
            <Text size="sm" visibleFrom="sm">
              {email}
            </Text>
            <Button onClick={() => void leave()} size="xs" variant="default">
              Log out
            </Button>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs">
        <NavLink component={Link} label="Webhooks" onClick={close} to="/webhooks" />
        <NavLink component={Link} label="Signals" onClick={close} to="/signals" />
        <NavLink component={Link} label="Help" onClick={close} to="/help" />
      </AppShell.Navbar>
      <AppShell.Main>
        <Outlet />
      </AppShell.Main>
    </AppShell>
  );
}
