/** Where the user is signed in. */
import { Badge, Card, Title } from '@mantine/core';
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { Confirm } from '../../parts/confirm';
import { type Column, List } from '../../parts/list';
import { When } from '../../parts/zone';

const COLUMNS: readonly Column<Schemas['Session']>[] = [
  {
    head: 'Browser',
    cell: (session) => (
      <>
        {session.user_agent === '' ? 'unknown' : session.user_agent}{' '}
        {session.current && <Badge variant="outline">this one</Badge>}
      </>
    ),
  },
  { head: 'Signed in', cell: (session) => <When at={session.created_at} /> },
  { head: 'Last used', cell: (session) => <When at={session.last_used_at} /> },
  { head: 'Ends', cell: (session) => <When at={session.expires_at} /> },
  { head: 'Actions', cell: (session) => !session.current && <End session={session} /> },
];

export function SessionsCard() {
  const sessions = useQuery({
    queryKey: ['sessions'],
    placeholderData: keepPreviousData,
    queryFn: () => got(api.GET('/api/v1/me/sessions')),
  });
  return (
    <Card component="section" withBorder>
      <Title mb="xs" order={2} size="h4">
        Sessions
      </Title>
      <List columns={COLUMNS} empty="Nobody is signed in." keyOf={({ id }) => id} label="Sessions" query={sessions} />
    </Card>
  );
}

function End({ session }: { session: Schemas['Session'] }) {
  const queries = useQueryClient();
  const end = async () => {
    await got(api.DELETE('/api/v1/me/sessions/{id}', { params: { path: { id: session.id } } }));
    await queries.invalidateQueries({ queryKey: ['sessions'] });
  };
  return (
    <Confirm about={`the session of ${session.user_agent}`} act={end} confirm="End it" label="End">
      Whoever uses it has to log in again.
    </Confirm>
  );
}
