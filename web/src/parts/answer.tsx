/** What the receiver answered to an alert that was sent from here. */
import { Alert } from '@mantine/core';

import type { AlertAnswer } from '../api/test_alert';
import { Reason } from './values';

export function Answer({ answer }: { answer: AlertAnswer }) {
  const accepted = answer.status === 202;
  return (
    <Alert color={accepted ? 'teal' : 'red'} role="status" title={`The receiver answered ${answer.status}`}>
      {answer.code === undefined ? answer.detail : <Reason code={answer.code}>{answer.detail}</Reason>}
    </Alert>
  );
}
