/** What stands around every page of a signed-in user. */
import { ActionIcon, AppShell, Box, Burger, Group, Menu, NavLink, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconUser } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState } from 'react';

import type { Schemas } from '../api/client';
import { type StreamState, useEvents } from '../api/events';
import { logOut, meQuery } from '../api/session';
import { Loading, Refusal } from '../parts/state';
import { ZoneChoice } from '../parts/zone';
import { Halts } from './halts';
import { SchemeSwitch } from './scheme';

const PAGES = [
  ['/', 'Overview'],
  ['/webhooks', 'Webhooks'],
  ['/strategies', 'Strategies'],
  ['/signals', 'Signals'],
  ['/orders', 'Orders'],
  ['/positions', 'Positions'],
  ['/trades', 'Trades'],
  ['/accounts', 'Broker accounts'],
  ['/settings', 'Settings'],
] as const;

const FOR_ADMINISTRATORS = [
  ['/users', 'Users'],
  ['/nodes', 'Nodes'],
] as const;

export function Frame(): ReactNode {
  const me = useQuery(meQuery);
  if (me.isPending) {
    return <Loading />;
  }
  if (me.isError && me.data === undefined) {
    return <Refusal error={me.error} retry={() => void me.refetch()} />;
  }
  return me.data === null ? <ToSignIn /> : <SignedIn me={me.data} />;
}

/** Signing in leads back to where one was going. */
function ToSignIn() {
  const { pathname, searchStr } = useLocation();
  const navigate = useNavigate();
  // The address changes before this page is gone: once is enough.
  const [wanted] = useState(pathname + searchStr);
  useEffect(() => {
    void navigate({ replace: true, search: wanted === '/' ? {} : { to: wanted }, to: '/sign-in' });
  }, [navigate, wanted]);
  return <Loading />;
}

function SignedIn({ me }: { me: Schemas['Me'] }) {
  const [opened, { toggle, close }] = useDisclosure();
  const stream = useEvents();
  return (
    <AppShell
      header={{ height: 48 }}
      navbar={{ width: 180, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding="md"
    >
      <AppShell.Header>
        <Group gap="xs" h="100%" justify="space-between" px="md" wrap="nowrap">
          <Group gap="xs" wrap="nowrap">
            <Burger
              aria-expanded={opened}
              aria-label="Menu"
              hiddenFrom="sm"
              onClick={toggle}
              opened={opened}
              size="sm"
            />
            <Text fw={700}>Atomik</Text>
            <StreamSign state={stream} />
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Box visibleFrom="sm">
              <ZoneChoice />
            </Box>
            <SchemeSwitch />
            <UserMenu email={me.email} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar aria-label="Pages" p="xs">
        <Box hiddenFrom="sm" pb="xs">
          <ZoneChoice />
        </Box>
        <Pages close={close} isAdministrator={me.role === 'admin'} />
      </AppShell.Navbar>
      <AppShell.Main>
        <Stack>
          <Halts />
          <Outlet />
        </Stack>
      </AppShell.Main>
    </AppShell>
  );
}

function Pages({ close, isAdministrator }: { close: () => void; isAdministrator: boolean }) {
  const { pathname } = useLocation();
  const pages = isAdministrator ? [...PAGES, ...FOR_ADMINISTRATORS] : PAGES;
  return (
    <>
      {pages.map(([to, label]) => (
        <NavLink
          active={to === '/' ? pathname === '/' : pathname.startsWith(to)}
          component={Link}
          key={to}
          label={label}
          onClick={close}
          to={to}
        />
      ))}
      <NavLink href="/help" label="Help" onClick={close} />
    </>
  );
}

const SIGNS: Readonly<Record<StreamState, string>> = {
  connecting: 'Connecting …',
  live: 'Live',
  reconnecting: 'Reconnecting …',
};

/** Whether what is shown moves by itself. */
function StreamSign({ state }: { state: StreamState }) {
  return (
    <Text className={`stream ${state}`} role="status" size="sm">
      {SIGNS[state]}
    </Text>
  );
}

function UserMenu({ email }: { email: string }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const leaving = useMutation({
    mutationFn: logOut,
    onSuccess: async () => {
      queries.clear();
      await navigate({ to: '/sign-in' });
    },
  });
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon aria-label={`Signed in as ${email}`} variant="default">
          <IconUser size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{email}</Menu.Label>
        <Menu.Item component={Link} to="/settings">
          Settings
        </Menu.Item>
        <Menu.Item
          closeMenuOnClick={false}
          onClick={() => {
            leaving.mutate();
          }}
        >
          Log out
        </Menu.Item>
        {leaving.error !== null && (
          <Text maw={260} p="xs" role="alert" size="sm">
            Still logged in: {leaving.error.message}
          </Text>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
