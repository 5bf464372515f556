/** Everybody on this installation, for its administrator. */
import { NativeSelect } from '@mantine/core';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { type Schemas, api, got } from '../../api/client';
import { meQuery } from '../../api/session';
import { pagingOf, useSearchParts } from '../../parts/address';
import { Confirm } from '../../parts/confirm';
import { type Column, List } from '../../parts/list';
import { Page } from '../../parts/page';
import { Refusal } from '../../parts/state';
import { When } from '../../parts/zone';

const PLANS = ['free', 'starter', 'trader', 'unlimited'];
const STATUSES = ['active', 'trialing', 'past_due', 'suspended', 'canceled'];
const ROLES = ['trader', 'admin'];

const COLUMNS: readonly Column<Schemas['User']>[] = [
  { head: 'Email', wide: true, cell: (user) => user.email },
  { head: 'Registered', cell: (user) => <When at={user.created_at} /> },
  { head: 'Plan', cell: (user) => <Choice field="plan" of={PLANS} user={user} value={user.plan} /> },
  {
    head: 'Subscription',
    cell: (user) => <Choice field="subscription_status" of={STATUSES} user={user} value={user.subscription_status} />,
  },
  { head: 'Role', cell: (user) => <Choice field="role" of={ROLES} user={user} value={user.role} /> },
  { head: 'Access', cell: (user) => <Access user={user} /> },
];

export function UsersPage(): ReactNode {
  const [{ cursor }, change] = useSearchParts('cursor');
  const users = useQuery({
    queryKey: ['users', cursor],
    placeholderData: keepPreviousData,
    queryFn: () =>
      got(api.GET('/api/v1/admin/users', { params: { query: cursor === undefined ? {} : { cursor } } })),
  });
  return (
    <Page title="Users">
      <List
        columns={COLUMNS}
        empty="Nobody has registered."
        keyOf={({ id }) => id}
        label="Users"
        paging={pagingOf(cursor, change)}
        query={users}
      />
    </Page>
  );
}

function useChange(user: Schemas['User']) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Schemas['UpdateUser']) =>
      got(api.PATCH('/api/v1/admin/users/{id}', { params: { path: { id: user.id } }, body })),
    // One's own plan is shown elsewhere too.
    onSettled: () =>
      Promise.all(['users', 'plan', 'me'].map((key) => queries.invalidateQueries({ queryKey: [key] }))),
  });
}

interface ChoiceProps {
  user: Schemas['User'];
  field: 'plan' | 'subscription_status' | 'role';
  of: readonly string[];
  value: string;
}

function Choice({ user, field, of, value }: ChoiceProps) {
  const change = useChange(user);
  return (
    <>
      <NativeSelect
        aria-label={`${field.replace('_', ' ')} of ${user.email}`}
        data={of.map((choice) => ({ value: choice, label: choice.replace('_', ' ') }))}
        disabled={change.isPending}
        onChange={(event) => {
          change.mutate({ [field]: event.currentTarget.value });
        }}
        size="xs"
        value={value}
      />
      {change.error !== null && <Refusal error={change.error} />}
    </>
  );
}

function Access({ user }: { user: Schemas['User'] }) {
  const me = useQuery(meQuery).data;
  const change = useChange(user);
  if (me?.id === user.id) {
    return 'you';
  }
  return user.disabled ? (
    <Confirm
      about={user.email}
      act={() => change.mutateAsync({ disabled: false })}
      confirm="Let them in"
      label="Let in"
    >
      {user.email} is shut out. They can log in again, and their webhooks take alerts again.
    </Confirm>
  ) : (
    <Confirm about={user.email} act={() => change.mutateAsync({ disabled: true })} confirm="Shut out" label="Shut out">
      {user.email} is logged out everywhere, and their webhooks refuse alerts. Positions stay as they are.
    </Confirm>
  );
}
