"""benchmarks/cuda_loops.py: which instructions of machine code make a step."""

from __future__ import annotations

from test_gpu_report import script

CODE = """
        /*0000*/                   MOV R1, c[0x0][0x28] ;
.L_x_1:
        /*0010*/                   LDS.U8 R2, [UR4] ;
        /*0020*/                   ISETP.NE.AND P0, PT, R2, RZ, PT ;
        /*0030*/               @!P0 BRA `(.L_x_2) ;
        /*0040*/               @P1 LDG.E.128.CONSTANT R4, desc[UR8][R8.64] ;
        /*0050*/                   BRA `(.L_x_3) ;
.L_x_2:
        /*0060*/                   LDG.E.CONSTANT R4, desc[UR8][R8.64] ;
        /*0070*/                   LDG.E.CONSTANT R5, desc[UR8][R8.64+0x4] ;
.L_x_3:
        /*0080*/                   LDS.128 R12, [R3] ;
        /*0090*/                   FFMA.FTZ R20, R12, R13, R20 ;
        /*00a0*/               @P2 BRA `(.L_x_4) ;
        /*00b0*/                   STS.128 [R9], R4 ;
.L_x_4:
        /*00c0*/                   BAR.SYNC.DEFER_BLOCKING 0x0 ;
        /*00d0*/               @P3 BRA `(.L_x_1) ;
        /*00e0*/                   FFMA R20, R20, R2, R3 ;
.L_x_5:
        /*00f0*/                   IADD3 R20, R20, R2, RZ ;
        /*0100*/               @P3 BRA `(.L_x_5) ;
        /*0110*/                   EXIT ;
"""


def test_a_step_moves_quads_whole_and_fills_the_next_panel() -> None:
    loops = script("cuda_loops")
    instructions = [text.split()[0] for text in loops.step(loops.blocks(CODE))]
    assert instructions == [
        *("LDS.U8", "ISETP.NE.AND", "BRA", "LDG.E.128.CONSTANT", "BRA"),
        *("LDS.128", "FFMA.FTZ", "BRA", "STS.128", "BAR.SYNC.DEFER_BLOCKING", "BRA"),
    ]
