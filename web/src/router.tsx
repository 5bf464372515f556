/** Which page stands under which path. */
import { Outlet, createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';

import { Frame } from './shell/frame';

const root = createRootRoute({ component: Outlet });
const frame = createRoute({ getParentRoute: () => root, id: 'frame', component: Frame });

const help = lazyRouteComponent(() => import('./pages/help'), 'HelpPage');

const tree = root.addChildren([
  createRoute({
    getParentRoute: () => root,
    path: '/sign-in',
    component: lazyRouteComponent(() => import('./pages/sign_in'), 'SignInPage'),
  }),
  createRoute({ getParentRoute: () => root, path: '/help', component: help }),
  createRoute({ getParentRoute: () => root, path: '/help/$code', component: help }),
  frame.addChildren([
    createRoute({
      getParentRoute: () => frame,
      path: '/',
      beforeLoad: () => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- how the router is told to go elsewhere
        throw redirect({ to: '/webhooks' });
      },
    }),
    createRoute({
      getParentRoute: () => frame,
      path: '/webhooks',
      component: lazyRouteComponent(() => import('./pages/webhooks'), 'WebhooksPage'),
    }),
    createRoute({
      getParentRoute: () => frame,
      path: '/signals',
      component: lazyRouteComponent(() => import('./pages/signals'), 'SignalsPage'),
    }),
  ]),
]);

export const router = createRouter({ routeTree: tree });

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
