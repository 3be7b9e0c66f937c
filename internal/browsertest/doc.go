// Package browsertest opens pages in a headless Chromium, for tests of what a reader sees.
package browsertest
