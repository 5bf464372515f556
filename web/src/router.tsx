/** Which page stands under which path. */
import { Outlet, createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';

import { parseSearch, stringifySearch } from './format/search';
import { NoPage } from './parts/state';
import { Frame } from './shell/frame';

const root = createRootRoute({ component: Outlet, notFoundComponent: NoPage });
const frame = createRoute({ getParentRoute: () => root, id: 'frame', component: Frame });
const framed = () => frame;

const help = lazyRouteComponent(() => import('./pages/help/page'), 'HelpPage');
const signIn = lazyRouteComponent(() => import('./pages/sign_in'), 'SignInPage');

const tree = root.addChildren([
  createRoute({ getParentRoute: () => root, path: '/sign-in', component: signIn }),
  createRoute({ getParentRoute: () => root, path: '/help', component: help }),
  createRoute({ getParentRoute: () => root, path: '/help/$code', component: help }),
  frame.addChildren([
    createRoute({
      getParentRoute: framed,
      path: '/',
      component: lazyRouteComponent(() => import('./pages/overview/page'), 'OverviewPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/start',
      component: lazyRouteComponent(() => import('./pages/start/page'), 'StartPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/webhooks',
      component: lazyRouteComponent(() => import('./pages/webhooks/list'), 'WebhooksPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/webhooks/$id',
      component: lazyRouteComponent(() => import('./pages/webhooks/page'), 'WebhookPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/strategies',
      component: lazyRouteComponent(() => import('./pages/strategies/list'), 'StrategiesPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/strategies/new',
      component: lazyRouteComponent(() => import('./pages/strategies/new'), 'NewStrategyPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/strategies/$id',
      component: lazyRouteComponent(() => import('./pages/strategies/page'), 'StrategyPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/signals',
      component: lazyRouteComponent(() => import('./pages/signals/list'), 'SignalsPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/signals/$id',
      component: lazyRouteComponent(() => import('./pages/signals/page'), 'SignalPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/orders',
      component: lazyRouteComponent(() => import('./pages/trades/orders'), 'OrdersPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/positions',
      component: lazyRouteComponent(() => import('./pages/trades/positions'), 'PositionsPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/trades',
      component: lazyRouteComponent(() => import('./pages/trades/trades'), 'TradesPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/accounts',
      component: lazyRouteComponent(() => import('./pages/accounts/list'), 'AccountsPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/accounts/$id',
      component: lazyRouteComponent(() => import('./pages/accounts/page'), 'AccountPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/settings',
      component: lazyRouteComponent(() => import('./pages/settings/page'), 'SettingsPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/users',
      component: lazyRouteComponent(() => import('./pages/settings/users'), 'UsersPage'),
    }),
    createRoute({
      getParentRoute: framed,
      path: '/nodes',
      component: lazyRouteComponent(() => import('./pages/settings/nodes'), 'NodesPage'),
    }),
  ]),
]);

export const router = createRouter({ routeTree: tree, scrollRestoration: true, parseSearch, stringifySearch });

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
