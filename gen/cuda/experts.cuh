// experts.cuh - the last products of one token's experts, those of what every
// token passes, and their sum, in one launch.
//
// A block owns rows of tiles: of one row all experts' tiles and those of the
// matrix beside them, a tile a warp, or a few.  A warp rounds the values of its
// own tiles for itself, so nothing waits for a whole block but the sum: parts
// meet in shared memory, and one warp adds them up in order.
#pragma once
#include "matvec.cuh"

// Products of one kind: a tile of type B with J blocks a lane is multiplied with
// 128 J of K values, as ACT; SOURCE: they come as f32 and are rounded here.
template <class B, int J, class ACT, int K, bool SOURCE> struct Share {
    typedef B Block;
    typedef ACT Act;
    CONSTANT int WIDTH = J;
    CONSTANT int TILES = K / (128 * J); // along k
    CONSTANT int PIECE = 4 * J;         // blocks of 32 values of a tile
    CONSTANT int BYTES = PIECE * ACT::SHARED;
    CONSTANT bool ROUNDS = SOURCE;

    const u8 *values; // of the first row, `stride` bytes from row to row
    i64 stride;
    int block_bytes; // of 32 values, if they were rounded before
    const u8 *weight; // `bytes` from a matrix to the next
    i64 bytes;
};

// A warp's piece of a row of values on its way.
template <class S> struct SharePiece {
    float4 x[S::ROUNDS ? S::WIDTH : 1];
};
template <class S>
DEVICE void piece_ask(SharePiece<S> &p, const S &s, int row, int tile)
{
    if constexpr (S::ROUNDS) {
        const float4 *x = (const float4 *)(s.values + row * s.stride) +
                          tile * S::WIDTH * 32;
        UNROLL for (int i = 0; i < S::WIDTH; i++) p.x[i] = x[i * 32 + lane()];
    }
}
template <class S>
DEVICE void piece_put(const SharePiece<S> &p, const S &s, int row, int tile, u8 *to)
{
    typedef typename S::Act A;
    if constexpr (S::ROUNDS) {
        float v[S::WIDTH][4];
        int k[S::WIDTH];
        UNROLL for (int i = 0; i < S::WIDTH; i++) {
            v[i][0] = p.x[i].x, v[i][1] = p.x[i].y;
            v[i][2] = p.x[i].z, v[i][3] = p.x[i].w;
            k[i] = (i * 32 + lane()) * 4;
        }
        Put<A>::all(to, S::PIECE, k, v);
    } else if (lane() < S::PIECE)
        Stage<A>::block(to, s.values + row * s.stride +
                                tile * S::PIECE * s.block_bytes,
                        lane(), S::PIECE);
}

// The work of a launch: ROUTED's products with SLOTS matrices, DIVIDE slots a row
// of values, by WARPS warps, EACH tiles of a row a warp; ALONE's by the others.
template <class ROUTED, class ALONE, int SLOTS, int DIVIDE, int WARPS, int EACH>
struct Combined {
    typedef ROUTED Routed;
    typedef ALONE Alone;
    CONSTANT int ROUTED_TILES = SLOTS * ROUTED::TILES;
    CONSTANT int TILES = ROUTED_TILES + ALONE::TILES;
    CONSTANT int THREADS = WARPS * 32;
    CONSTANT int ROUTED_WARPS = (ROUTED_TILES + EACH - 1) / EACH;
    CONSTANT int TILES_EACH = EACH;
    // of a tile's values in shared memory
    CONSTANT int PIECE = most(ROUTED::BYTES, ALONE::BYTES);
    // Floats of parts of sums: of the rows between two barriers, and of those
    // that are added up meanwhile.
    CONSTANT int AT_ONCE = 2, PARTS = AT_ONCE * TILES * 16, ROOM = 2 * PARTS;

    ROUTED routed;
    ALONE alone;
    const i32 *ids;
    bool early; // the ids are there before the stage begins
    int rows;   // of tiles
    u8 *pieces, *tables[2];
    float *room;

    DEVICE int slot_row(int slot) { return slot / DIVIDE; }
};

// Sum of the parts of slot `slot`, SLOTS: of the matrix beside the experts.  sums:
// those of all tiles, 16 floats apart.
template <class C> DEVICE float combined_total(const float *sums, int slot)
{
    constexpr int SLOTS = C::ROUTED_TILES / C::Routed::TILES;
    float s = 0;
    if (slot < SLOTS)
        UNROLL for (int i = 0; i < C::Routed::TILES; i++)
            s += sums[(slot * C::Routed::TILES + i) * 16];
    else
        UNROLL for (int i = 0; i < C::Alone::TILES; i++)
            s += sums[(C::ROUTED_TILES + i) * 16];
    return s;
}

// What a warp does whose tiles are `first` .. `end` - 1 of a row, all of S.
template <class C, class S, bool ROUTED> struct CombinedWarp {
    typedef typename S::Block B;
    typedef typename B::Raw Raw;
    CONSTANT int FROM = ROUTED ? 0 : C::ROUTED_TILES;
    CONSTANT int END = ROUTED ? C::ROUTED_TILES : C::TILES;
    // Two tiles fit the registers of a lane.
    CONSTANT bool AHEAD = 2 * sizeof(Raw) / 4 + 56 <= 65536 / C::THREADS;
    // If a warp has one of a row, they are those of two rows, with the same values.
    typedef Dot<typename S::Act> Sums;
    CONSTANT bool PAIRS = AHEAD && C::TILES_EACH == 1 && Sums::KEEPS;
    struct Tiles {
        Raw raw[PAIRS ? C::AT_ONCE : 1];
    };

    const S *share;
    const u8 *matrix[C::TILES_EACH]; // of each of the warp's tiles, its column
    int first, n;                    // tiles

    DEVICE int slot(int tile) { return ROUTED ? tile / S::TILES : 0; }
    DEVICE int along(int tile) { return (tile - FROM) % S::TILES; }

    DEVICE void load(const CombinedWarp &w, Raw &r, int row, int e)
    {
        B::load(r, w.matrix[e] + (i64)row * S::TILES * B::BYTES, lane());
    }

    DEVICE void find_matrices(CombinedWarp &w, const i32 *ids)
    {
        UNROLL for (int e = 0; e < C::TILES_EACH; e++) {
            int tile = least(w.first + e, END - 1);
            i64 expert = ROUTED ? ids[slot(tile)] : 0;
            w.matrix[e] = w.share->weight + expert * w.share->bytes +
                          along(tile) * B::BYTES;
        }
    }

    DEVICE void values(const CombinedWarp &w, u8 *pieces)
    {
        SharePiece<S> piece[C::TILES_EACH];
        UNROLL for (int e = 0; e < C::TILES_EACH; e++)
            if (e < w.n)
                piece_ask(piece[e], *w.share, C::slot_row(slot(w.first + e)),
                          along(w.first + e));
        UNROLL for (int e = 0; e < C::TILES_EACH; e++)
            if (e < w.n)
                piece_put(piece[e], *w.share, C::slot_row(slot(w.first + e)),
                          along(w.first + e), pieces + (w.first + e) * C::PIECE);
    }

    // Tile e of row `row` is taken: the next one.
    DEVICE void ask(const CombinedWarp &w, const C &c, Raw &r, int row, int e)
    {
        if (e + 1 < w.n)
            load(w, r, row, least(e + 1, C::TILES_EACH - 1));
        else if (row + blocks_x() < c.rows)
            load(w, r, row + blocks_x(), 0);
    }

    // The sums of a row's tile to shared memory.
    DEVICE void multiply(const Raw &r, const u8 *values, const u8 *table, float *to)
    {
        float sum[2] = {};
        Dot<typename S::Act>::template add<B, S::WIDTH>(sum, r, values, 0, S::PIECE,
                                                        table);
        put_row_sums(to, sum);
    }

    // The first tile of `row`; of a pair both.
    DEVICE void load_first(const CombinedWarp &w, const C &c, Tiles &t, int row)
    {
        if (row < c.rows)
            load(w, t.raw[0], row, 0);
        if constexpr (PAIRS)
            if (row + blocks_x() < c.rows)
                load(w, t.raw[1], row + blocks_x(), 0);
    }
    // Before the stage begins if it is known which.
    DEVICE void begin(CombinedWarp &w, const C &c, Tiles &t)
    {
        const bool ahead = !ROUTED || c.early;
        if (!ahead)
            stage_begin();
        find_matrices(w, c.ids);
        load_first(w, c, t, block_x());
        if (ahead)
            stage_begin();
    }

    // `next` holds the first tile of the row, then of the block's next one.
    DEVICE void multiply_row(const CombinedWarp &w, const C &c, Raw &next, int row,
                             const u8 *table, float *room)
    {
        UNROLL for (int e = 0; e < C::TILES_EACH; e++) {
            if (e >= w.n)
                break;
            const u8 *values = c.pieces + (w.first + e) * C::PIECE;
            float *sums = room + (w.first + e) * 16;
            if (AHEAD) {
                Raw now = next;
                ask(w, c, next, row, e);
                multiply(now, values, table, sums);
            } else {
                multiply(next, values, table, sums);
                ask(w, c, next, row, e);
            }
        }
    }

    // The values are taken from shared memory once for both rows.
    DEVICE void multiply_pair(const CombinedWarp &w, const Tiles &t, const u8 *pieces,
                              const u8 *table, float *room)
    {
        const u8 *values = pieces + w.first * C::PIECE;
        float sum[C::AT_ONCE][2] = {};
        UNROLL for (int j = 0; j < S::WIDTH; j++) {
            typename Sums::Column column;
            Sums::take(column, values, 4 * j + (lane() & 3), S::PIECE);
            UNROLL for (int i = 0; i < C::AT_ONCE; i++)
                Sums::template add_column<B>(sum[i], t.raw[i], j, column, table);
        }
        UNROLL for (int i = 0; i < C::AT_ONCE; i++)
            put_row_sums(room + (i * C::TILES + w.first) * 16, sum[i]);
    }
    // The sums of the rows at `row`; `t` then holds the next ones' first.
    DEVICE void multiply_rows(const CombinedWarp &w, const C &c, Tiles &t, int row,
                              const u8 *table, float *room)
    {
        if constexpr (PAIRS) {
            multiply_pair(w, t, c.pieces, table, room);
            load_first(w, c, t, row + C::AT_ONCE * blocks_x());
        } else {
            NO_UNROLL for (int i = 0; i < C::AT_ONCE && row < c.rows;
                           i++, row += blocks_x())
                multiply_row(w, c, t.raw[0], row, table, room + i * C::TILES * 16);
        }
    }

    template <class Sum>
    DEVICE void run(const C &c, const S &s, const u8 *table, const Sum &sum)
    {
        CombinedWarp w = {&s, {}, 0, 0};
        w.first = FROM + (warp() - (ROUTED ? 0 : C::ROUTED_WARPS)) * C::TILES_EACH;
        w.n = least(C::TILES_EACH, END - w.first);
        Tiles tiles = {};
        begin(w, c, tiles);
        Sum::stage(sum);
        values(w, c.pieces);
        sync_threads(0, C::THREADS); // tables, and what the sum has staged
        int turn = 0;
        for (int row = block_x(); row < c.rows;
             row += C::AT_ONCE * blocks_x(), turn++) {
            float *room = c.room + turn % 2 * C::PARTS;
            // Half a warp adds up a row.
            const int at = row + lane() / 16 * blocks_x();
            const bool adds = warp() == turn % (C::THREADS / 32) && at < c.rows;
            float x[Sum::READS];
            if (adds)
                Sum::ask(sum, at * 16 + lane() % 16, x);
            multiply_rows(w, c, tiles, row, table, room);
            sync_threads(0, C::THREADS);
            if (adds)
                Sum::finish(sum, at * 16 + lane() % 16,
                            room + lane() / 16 * C::TILES * 16 + lane() % 16, x);
        }
    }
};

// Of a class Sum: stage(sum), what all sums read, to shared memory, by all threads;
// ask(sum, n, x), what that of column n reads, READS numbers; finish(sum, n, sums,
// x): column n of all tiles' sums.
template <class C, class Sum>
DEVICE void combined_rows(const C &c, const Sum &sum)
{
    C::Routed::Block::table(c.tables[0], thread(), C::THREADS);
    C::Alone::Block::table(c.tables[1], thread(), C::THREADS);
    if (warp() < C::ROUTED_WARPS)
        CombinedWarp<C, typename C::Routed, true>::run(c, c.routed, c.tables[0],
                                                       sum);
    else
        CombinedWarp<C, typename C::Alone, false>::run(c, c.alone, c.tables[1],
                                                       sum);
}
