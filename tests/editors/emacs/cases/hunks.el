;;; hunks.el --- Review in the buffer  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Hunks are shown and decided on in the buffer; the turn is undone around
;; what was typed since.

;;; Code:

(require 'harness)
(require 'lanebridge-hunks)

(defconst hunks-program
  "int first(void)\n{\n    return 1;\n}\n\nint second(void)\n{\n    return 2;\n}\n"
  "What is edited.")

(defun hunks-recording ()
  "A recording with two hunks."
  (list (lb-rollout "fix")
        (lb-patches "p" "*** Update File: a.c" "@@" "-    return 1;" "+    return 10;"
                    "+    /* ten */" "@@ int second(void)" " {" "-    return 2;"
                    "+    return 20;")
        (lb-says "Done.")))

(defun hunks-wait (count)
  "Wait until COUNT hunks wait."
  (lb-wait (format "%d hunks" count) (= (lanebridge-hunks-count) count)))

(defmacro hunks-edited (more &rest body)
  "Evaluate BODY where two hunks are in a.c, in a session with MORE."
  (declare (indent 1) (debug t))
  `(lb-session (:files (list (cons "a.c" hunks-program)) :open "a.c"
                :replay (hunks-recording) ,@more)
     (lb-ask "fix it")
     (should (equal (lb-turn) "completed"))
     (hunks-wait 2)
     ,@body))

(defun hunks-shown ()
  "What is shown: first line, lines, and what is above, of each hunk."
  (mapcar (lambda (hunk)
            (let ((overlay (lanebridge-hunk-overlay hunk)))
              (list (line-number-at-pos (overlay-start overlay))
                    (count-lines (overlay-start overlay) (overlay-end overlay))
                    (substring-no-properties (or (overlay-get overlay 'before-string) "")))))
          (lanebridge-hunks-here)))

(defun hunks-goto (row)
  "Go to line ROW."
  (goto-char (point-min))
  (forward-line (1- row)))

(defun hunks-line (row)
  "What is in line ROW of a.c."
  (nth (1- row) (split-string (lb-text "a.c") "\n")))

(ert-deftest hunks-are-shown ()
  "They are shown in place, with the old lines above."
  (hunks-edited ()
    (should (equal (hunks-shown) '((3 2 "    return 1;\n") (9 1 "    return 2;\n"))))
    (hunks-goto 3)
    (should (eq (key-binding (kbd "C-c ^ y")) 'lanebridge-accept))
    (hunks-goto 1)
    (should-not (eq (key-binding (kbd "C-c ^ y")) 'lanebridge-accept))))

(ert-deftest hunks-stay-in-another-mode ()
  "Another major mode leaves what waits where it is."
  (hunks-edited ()
    (let ((shown (lb-wait "both to be shown" (= 2 (length (hunks-shown))) (hunks-shown))))
      (text-mode)
      (should (equal (hunks-shown) shown))
      (hunks-goto 3)
      (lanebridge-reject)
      (hunks-wait 1)
      (should (equal (hunks-line 3) "    return 1;"))
      (lb-wait "one to be shown" (= 1 (length (hunks-shown))))
      (should (= 1 (cl-count-if (lambda (overlay) (overlay-get overlay 'lanebridge-hunk))
                                (overlays-in (point-min) (point-max))))))))

(ert-deftest hunks-accept-and-reject ()
  "One accepted, the other rejected."
  (hunks-edited ()
    (goto-char (point-min))
    (lanebridge-next-hunk)
    (should (= (line-number-at-pos) 3))
    (lanebridge-accept)
    (hunks-wait 1)
    (lanebridge-next-hunk)
    (should (= (line-number-at-pos) 9))
    (lanebridge-reject)
    (hunks-wait 0)
    (should (equal (hunks-line 3) "    return 10;"))
    (should (equal (hunks-line 9) "    return 2;"))
    (should-not (hunks-shown))))

(ert-deftest hunks-by-keys ()
  "By keys: over a region, and all of a file."
  (hunks-edited ()
    (global-set-key (kbd "C-c l") 'lanebridge-command-map)
    (transient-mark-mode)
    (lb-keys "C-x h C-c l n")
    (hunks-wait 0)
    (should (equal (lb-text "a.c") hunks-program))))

(ert-deftest hunks-all-of-a-file ()
  "All of a file are accepted by one key."
  (hunks-edited ()
    (global-set-key (kbd "C-c l") 'lanebridge-command-map)
    (lb-keys "C-c l Y")
    (hunks-wait 0)
    (should (equal (hunks-line 9) "    return 20;"))))

(ert-deftest hunks-list ()
  "They are in a list, which goes to them and decides on them."
  (hunks-edited ()
    (lanebridge-hunks)
    (should (equal (mapcar (lambda (entry) (append (nth 1 entry) nil)) tabulated-list-entries)
                   '(("a.c" "3" "+2 −1" "return 10;") ("a.c" "9" "+1 −1" "return 20;"))))
    (forward-line 1)
    (lanebridge-hunks-reject)
    (hunks-wait 1)
    (should (equal (length tabulated-list-entries) 1))
    (goto-char (point-min))
    (lanebridge-hunks-visit)
    (should (equal buffer-file-name (lb-file "a.c")))
    (should (= (line-number-at-pos) 3))))

(ert-deftest hunks-amend ()
  "Amended: what is taken counts, accepted."
  (hunks-edited ()
    (hunks-goto 3)
    (lanebridge-amend)
    (should (equal (buffer-string) "    return 10;\n    /* ten */\n"))
    (erase-buffer)
    (insert "    return 11;\n")
    (lb-keys "C-c C-c")
    (hunks-wait 1)
    (should (equal (hunks-line 3) "    return 11;"))
    (should (equal (hunks-line 4) "}"))))

(ert-deftest hunks-move ()
  "They move with what is typed above them."
  (hunks-edited ()
    (goto-char (point-min))
    (insert "new line\n")
    (should (equal (mapcar #'car (hunks-shown)) '(4 10)))
    (hunks-goto 10)
    (lanebridge-reject)
    (hunks-wait 1)
    (should (equal (hunks-line 1) "new line"))
    (should (equal (hunks-line 10) "    return 2;"))))

(ert-deftest hunks-undo-of-the-editor ()
  "The editor's own undo takes the edit back, and the hunks with it."
  (hunks-edited ()
    (buffer-enable-undo)
    (lb-keys "C-/")
    (hunks-wait 0)
    (should (equal (lb-text "a.c") hunks-program))))

(ert-deftest hunks-review-before ()
  "Review before: proposed, not applied; accepting is the edit."
  (hunks-edited (:settings '(:review "before"))
    (should (equal (lb-text "a.c") hunks-program))
    (should (equal (mapcar #'car (hunks-shown)) '(3 8)))
    (hunks-goto 8)
    (lanebridge-accept)
    (hunks-wait 1)
    (lb-wait "the edit" (equal (hunks-line 8) "    return 20;"))
    (should (equal (hunks-line 3) "    return 1;"))))

(ert-deftest hunks-diff ()
  "The text beside the file is what it was."
  (hunks-edited ()
    (should (equal (with-current-buffer (lanebridge-review-other-buffer) (buffer-string))
                   hunks-program))))

(ert-deftest hunks-smerge ()
  "As conflicts: the upper rejected, the lower accepted."
  (hunks-edited ()
    (lanebridge-smerge)
    (smerge-next)
    (smerge-keep-upper)
    (smerge-next)
    (smerge-keep-lower)
    (should-not (search-backward "<<<<<<<" nil t))
    (lanebridge-review-finish)
    (hunks-wait 0)
    (should (equal (hunks-line 3) "    return 1;"))
    (should (equal (hunks-line 8) "    return 20;"))))

(ert-deftest hunks-turn-undone ()
  "The turn is undone, and what was typed since stays; each is one step of undo."
  (hunks-edited ()
    (buffer-enable-undo)
    (lb-keys "M-> m i n e RET")
    (lanebridge-execute "undoTurn" nil)
    (hunks-wait 0)
    (should (equal (lb-text "a.c") (concat hunks-program "mine\n")))
    (lb-keys "C-/")
    (should (equal (hunks-line 3) "    return 10;"))
    (should (string-suffix-p "mine\n" (lb-text "a.c")))))

(ert-deftest hunks-in-a-file-opened-later ()
  "A file that is opened later shows its hunks."
  (hunks-edited ()
    (set-buffer-modified-p nil)
    (kill-buffer)
    (lb-open "a.c")
    (lb-wait "the hunks" (equal (length (hunks-shown)) 2))))

(ert-deftest hunks-in-mixed-line-ends ()
  "In a file with both kinds of line ends they are found."
  (lb-session (:files '(("a.c" . "one\r\n    return 1;\r\nunix\n")) :open "a.c"
               :replay (list (lb-rollout "fix")
                             (lb-patch "p" "a.c" "    return 1;" "    return 10;")
                             (lb-says "Done.")))
    (lb-ask "fix it")
    (should (equal (lb-turn) "completed"))
    (hunks-wait 1)
    (should (equal (mapcar #'car (hunks-shown)) '(2)))
    (should (equal (lb-read "a.c") "one\r\n    return 10;\r\nunix\n"))))

(ert-deftest hunks-of-a-new-file ()
  "A file that the agent makes is one hunk; rejected, it is gone."
  (lb-session (:files (list (cons "a.c" hunks-program)) :open "a.c"
               :replay (list (lb-rollout "fix")
                             (lb-patches "p" "*** Add File: new.c" "+int n;")
                             (lb-says "Done.")))
    (lb-ask "fix it")
    (should (equal (lb-turn) "completed"))
    (hunks-wait 1)
    (lanebridge-next-hunk)
    (should (equal buffer-file-name (lb-file "new.c")))
    (should (string-match-p "new file: new.c" (nth 2 (car (hunks-shown)))))
    (lanebridge-reject)
    (hunks-wait 0)
    (lb-wait "the file to go" (not (lb-read "new.c")))))

;;; hunks.el ends here
