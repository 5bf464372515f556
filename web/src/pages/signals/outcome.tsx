/** What became of a signal on one strategy. */
import { Group, Text, Timeline } from '@mantine/core';

import type { Schemas } from '../../api/client';
import { duration, exactly } from '../../format/times';
import { useNames } from '../../parts/names';
import { Section } from '../../parts/section';
import { To } from '../../parts/to';
import { FillTable, OrderTable } from '../../parts/trades';
import { Reason, StatusBadge } from '../../parts/values';

interface OutcomeProps {
  outcome: Schemas['StrategyOutcome'];
  signal: Schemas['Signal'];
}

export function OutcomeSection({ outcome, signal }: OutcomeProps) {
  const names = useNames();
  const { strategy_id: id, orders, fills, timeline } = outcome;
  return (
    <Section beside={<StatusBadge status={outcome.status} />} title={names.strategy(id)}>
      <Group gap="md">
        <Text size="sm">
          <Reason code={outcome.code}>{outcome.reason}</Reason>
        </Text>
        <To size="sm" to={`/strategies/${id}`}>
          To the strategy
        </To>
      </Group>
      <Steps several={orders.length > 1} steps={timeline} />
      {orders.length > 0 && <OrderTable label={`Orders of ${names.strategy(id)}`} orders={orders} />}
      {signal.price != null && orders.some(({ slippage }) => slippage != null) && (
        <Text c="dimmed" size="xs">
          Slippage is against the alert&rsquo;s price: above zero the fill was worse than it.
        </Text>
      )}
      {fills.length > 0 && <FillTable fills={fills} label={`Fills of ${names.strategy(id)}`} />}
    </Section>
  );
}

function Steps({ steps, several }: { steps: readonly Schemas['TimelineStep'][]; several: boolean }) {
  return (
    <Timeline active={steps.length - 1} aria-label="Steps" bulletSize={14} lineWidth={2} role="list">
      {steps.map((step) => (
        <Timeline.Item
          key={`${step.step} ${step.client_order_id ?? ''}`}
          role="listitem"
          title={step.step.charAt(0).toUpperCase() + step.step.slice(1).replace('_', ' ')}
        >
          <Text c="dimmed" className="moment" size="xs">
            {exactly(step.at)}
            {step.offset_us > 0 && ` · ${duration(step.offset_us)} after receipt`}
            {several && step.client_order_id != null && ` · order ${step.client_order_id}`}
          </Text>
        </Timeline.Item>
      ))}
    </Timeline>
  );
}
