// Package table sets results of mobilellm-eval beside the numbers of the paper: its
// Tables 3, 4 and 8 as Markdown, CSV and one page of HTML with its Figures 1, 3, 4 and 5.
//
// The page loads nothing from elsewhere. Its pictures are SVG whose colours are the
// page's, light or dark, which gonum's plots cannot be. The paper's models are circles
// and plain bars, ours diamonds and hatched bars, and each of ours is labelled.
package table
