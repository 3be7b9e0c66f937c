package kernels

import "fmt"

// geometry is how an attention is cut into tiles. The kernels' sources hold the
// same sizes: attentiontiles.cuh for tensor cores, attentionplain.cu for the
// plain ones.
type geometry struct {
	variant                        string
	queries, gradQueries, gradKeys int // rows of a block: of the forward pass, of dQ, of dK and dV
	forward, dq, dkv               int // bytes of shared memory
}

const (
	plainThreads = 128 // of every attention kernel
	plainRows    = 16  // rows of a block of a plain kernel
	plainTile    = 32  // rows of the tiles that it walks through
	tilePad      = 8   // elements between rows of a tile, against bank conflicts
)

// tiles are the sizes for a head size on tensor cores: rows of a block and of the
// tiles it walks through.
type tiles struct{ dim, rows, tile, dqRows, dqTile, dkvRows, dkvTile int }

var tensorTiles = []tiles{
	{dim: 32, rows: 128, tile: 64, dqRows: 128, dqTile: 32, dkvRows: 128, dkvTile: 32},
	{dim: 64, rows: 128, tile: 64, dqRows: 128, dqTile: 32, dkvRows: 64, dkvTile: 64},
	{dim: 96, rows: 128, tile: 32, dqRows: 64, dqTile: 64, dkvRows: 64, dkvTile: 32},
	{dim: 128, rows: 128, tile: 32, dqRows: 64, dqTile: 32, dkvRows: 64, dkvTile: 32},
}

func (a Attention) geometry() geometry {
	if a.tensorCores() {
		for _, t := range tensorTiles {
			if a.HeadDim > t.dim {
				continue
			}
			row := 2 * (t.dim + tilePad)
			return geometry{
				variant: fmt.Sprintf("bf16_d%d", t.dim),
				queries: t.rows, gradQueries: t.dqRows, gradKeys: t.dkvRows,
				// A block's own rows, once or twice, and two tiles in two stages;
				// dK and dV also take the statistics of a tile's queries.
				forward: row * (t.rows + 4*t.tile),
				dq:      row * (2*t.dqRows + 4*t.dqTile),
				dkv:     row*(2*t.dkvRows+4*t.dkvTile) + 2*2*4*t.dkvTile,
			}
		}
	}
	dim := 64
	for dim < a.HeadDim {
		dim *= 2
	}
	// Rows of tiles are one element longer, against bank conflicts.
	tile := 4 * plainTile * (a.HeadDim + 1)
	own := 4 * plainRows * a.HeadDim
	return geometry{
		variant: fmt.Sprintf("%s_d%d", typed("plain", a.DType), dim),
		queries: plainRows, gradQueries: plainRows, gradKeys: plainRows,
		forward: own + 2*tile, dq: 2*own + 2*tile, dkv: 2*own + 2*tile,
	}
}
