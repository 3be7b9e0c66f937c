package tasks

// PagesOf is for tests.
var PagesOf = pagesOf
