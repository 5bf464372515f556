/** All at a glance: worth, positions, what happened today, and what needs a look. */
import { Alert, Button, Grid, Group, Stack, Text } from '@mantine/core';
import { useInterval } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';

import { accountsQuery } from '../../api/accounts';
import { overviewQuery } from '../../api/overview';
import { strategiesQuery } from '../../api/strategies';
import { Page } from '../../parts/page';
import { Loading, Refusal } from '../../parts/state';
import { AccountsCard } from './accounts';
import { AttentionCard } from './attention';
import { EquityCard } from './equity';
import { StrategiesCard } from './strategies';
import { SystemLine, TodayCard } from './today';

/** The reader's midnight. */
function midnight(): string {
  const now = new Date();
  now.setHours(0, 0, 0, 0);
  return now.toISOString();
}

export function OverviewPage(): ReactNode {
  const [today, setToday] = useState(midnight);
  useInterval(() => { setToday(midnight()); }, 60_000, { autoInvoke: true });
  const overview = useQuery(overviewQuery(today));
  const accounts = useQuery(accountsQuery).data?.items ?? [];
  const strategies = useQuery(strategiesQuery).data?.items;
  return (
    <Page title="Overview">
      {strategies?.length === 0 && <Welcome />}
      {overview.isError && <Refusal error={overview.error} retry={() => void overview.refetch()} />}
      <Grid>
        <Grid.Col span={{ base: 12, lg: 8 }}>
          <Stack>
            <EquityCard accounts={accounts} />
            <StrategiesCard strategies={strategies ?? []} />
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 4 }}>
          <Stack>
            {overview.isPending && <Loading />}
            {overview.data !== undefined && (
              <>
                <AttentionCard overview={overview.data} />
                <TodayCard overview={overview.data} />
              </>
            )}
            <AccountsCard accounts={accounts} />
          </Stack>
        </Grid.Col>
      </Grid>
      {overview.data !== undefined && <SystemLine system={overview.data.system} />}
    </Page>
  );
}

function Welcome() {
  return (
    <Alert color="cyan" title="From nothing to a filled alert in three steps">
      <Group justify="space-between">
        <Text size="sm">A paper account, a webhook, a strategy: each has a sensible default.</Text>
        <Button component={Link} to="/start">
          Start
        </Button>
      </Group>
    </Alert>
  );
}
