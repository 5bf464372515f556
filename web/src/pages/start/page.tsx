/** From nothing to a filled alert: a paper account, a webhook, a strategy. */
import { Alert, Card, Stepper } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';

import { accountsQuery } from '../../api/accounts';
import type { Schemas } from '../../api/client';
import { planQuery } from '../../api/plan';
import { Page } from '../../parts/page';
import { Loading, Refusal } from '../../parts/state';
import { AccountStep } from './account';
import { StrategyStep } from './strategy';
import { TestAlert } from './test_alert';
import { WebhookStep } from './webhook';

export function StartPage(): ReactNode {
  const accounts = useQuery(accountsQuery);
  const plan = useQuery(planQuery);
  // With its secret, which the program shows once: it goes with the page.
  const [webhook, setWebhook] = useState<Schemas['WebhookWithSecret']>();
  const [strategy, setStrategy] = useState<Schemas['Strategy']>();
  const account = accounts.data?.items.find(({ broker }) => broker === 'paper');
  const step = account === undefined ? 0 : webhook === undefined ? 1 : strategy === undefined ? 2 : 3;
  return (
    <Page title="Start">
      {(accounts.isPending || plan.isPending) && <Loading />}
      {plan.isError && <Refusal error={plan.error} retry={() => void plan.refetch()} />}
      {accounts.isError && <Refusal error={accounts.error} retry={() => void accounts.refetch()} />}
      {plan.data?.limits.active_webhooks === 0 && (
        <Alert color="yellow" title={`The plan “${plan.data.plan}” has no webhook`}>
          An administrator of this installation gives you another plan under Users. Then come back here.
        </Alert>
      )}
      {accounts.data !== undefined && plan.data !== undefined && plan.data.limits.active_webhooks !== 0 && (
        <>
          <Stepper active={step} allowNextStepsSelect={false} size="sm">
            <Stepper.Step description={account?.label ?? 'No money at risk'} label="Paper account" />
            <Stepper.Step description={webhook?.name ?? 'Takes the alerts'} label="Webhook" />
            <Stepper.Step description={strategy?.name ?? 'Says what they trade'} label="Strategy" />
          </Stepper>
          <Card maw={760} withBorder>
            {account === undefined && <AccountStep />}
            {account !== undefined && webhook === undefined && <WebhookStep done={setWebhook} />}
            {account !== undefined && webhook !== undefined && strategy === undefined && (
              <StrategyStep account={account} done={setStrategy} webhook={webhook} />
            )}
            {webhook !== undefined && strategy !== undefined && <TestAlert strategy={strategy} webhook={webhook} />}
          </Card>
        </>
      )}
    </Page>
  );
}
