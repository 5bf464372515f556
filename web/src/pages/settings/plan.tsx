/** What the plan allows, and how much of it is used. */
import { Badge, Card, Group, Progress, SimpleGrid, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { planQuery } from '../../api/plan';
import { Loading, Refusal } from '../../parts/state';
import { Reason } from '../../parts/values';

export function PlanCard() {
  const plan = useQuery(planQuery);
  return (
    <Card component="section" withBorder>
      <Group gap="xs" mb="xs">
        <Title order={2} size="h4">
          Plan and usage
        </Title>
        {plan.data !== undefined && (
          <>
            <Badge variant="default">{plan.data.plan}</Badge>
            <Badge className={`status ${plan.data.status === 'active' ? 'good' : 'open'}`} variant="light">
              {plan.data.status.replace('_', ' ')}
            </Badge>
          </>
        )}
      </Group>
      {plan.isPending && <Loading />}
      {plan.isError && <Refusal error={plan.error} retry={() => void plan.refetch()} />}
      {plan.data !== undefined && (
        <>
          {(plan.data.status === 'suspended' || plan.data.status === 'canceled') && (
            <Text mb="xs" size="sm">
              <Reason code="subscription_inactive">Alerts are refused.</Reason>
            </Text>
          )}
          <SimpleGrid cols={{ base: 1, sm: 3 }}>
            <Usage
              label="Active webhooks"
              limit={plan.data.limits.active_webhooks}
              used={plan.data.usage.active_webhooks}
            />
            <Usage
              label="Broker accounts"
              limit={plan.data.limits.broker_accounts}
              used={plan.data.usage.broker_accounts}
            />
            <Usage
              label="Active strategies"
              limit={plan.data.limits.active_strategies}
              used={plan.data.usage.active_strategies}
            />
          </SimpleGrid>
        </>
      )}
    </Card>
  );
}

function Usage({ label, used, limit }: { label: string; used: number; limit: number | null | undefined }) {
  return (
    <div>
      <Text size="sm">{label}</Text>
      <Text className="amount">
        {used}{' '}
        <Text c="dimmed" size="sm" span>
          {limit == null ? 'without a limit' : `of ${limit}`}
        </Text>
      </Text>
      {limit != null && <Progress aria-label={`${label}: ${used} of ${limit}`} value={limit === 0 ? 100 : (100 * used) / limit} />}
    </div>
  );
}
