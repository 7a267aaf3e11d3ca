import { defineConfig } from "vitest/config";
import type { Plugin } from "vite";

/**
 * The page states its own policy, so that it holds on every host, whatever headers that host sends.
 * A host should narrow `connect-src` to its API and add `frame-ancestors`, which a page cannot.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self' http: https: ws: wss:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

function contentSecurityPolicy(): Plugin {
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: () => [
      {
        tag: "meta",
        attrs: { "http-equiv": "Content-Security-Policy", content: POLICY },
        injectTo: "head-prepend",
      },
    ],
  };
}

export default defineConfig({
  plugins: [contentSecurityPolicy()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    // Every browser that has <dialog> and CSS nesting preloads modules by itself.
    modulePreload: { polyfill: false },
    // Inlined assets would be data: URLs, which the policy refuses.
    assetsInlineLimit: 0,
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
