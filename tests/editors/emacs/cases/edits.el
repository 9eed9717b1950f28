;;; edits.el --- Edits where they are hard  -*- lexical-binding: t; -*-

;; Copyright (c) 2026 The Lanebridge authors
;; SPDX-License-Identifier: MIT

;;; Commentary:

;; Stale ones, files that are not open, line endings, letters of several
;; bytes, text that is typed meanwhile.

;;; Code:

(require 'harness)

(defconst edits-program "int main(void)\n{\n    return 1;\n}\n"
  "What is edited.")

(defun edits-line (name version line text)
  "Send an edit as the server would: LINE of NAME, for VERSION, becomes TEXT."
  (lb-call "workspace/applyEdit"
           (list :edit
                 (list :documentChanges
                       (vector
                        (list :textDocument (list :uri (lb-uri name) :version version)
                              :edits (vector
                                      (list :range (list :start (list :line line :character 0)
                                                         :end (list :line (1+ line) :character 0))
                                            :newText (concat text "\n")))))))))

(defun edits-fix (path old new)
  "A recording that changes the line OLD of PATH to NEW."
  (list (lb-rollout "fix") (lb-patch "p" path old new)
        (lb-says "Done." :expect `(:outputs (:p ,path)))))

(defun edits-replace (old new)
  "The program with OLD replaced by NEW."
  (string-replace old new edits-program))

(ert-deftest edits-stale-right-after-open ()
  "A stale edit right after open is refused: my line survives."
  (lb-session (:files `(("a.c" . ,edits-program)) :open "a.c")
    (let ((version (lanebridge-sync-version)))
      (should (> version 0))
      (insert "mine\n")
      (let ((answer (edits-line "a.c" version 2 "    return 0;")))
        (should (eq (plist-get answer :applied) :json-false))
        (should (string-match-p "has changed" (plist-get answer :failureReason)))
        (should (equal (lb-text "a.c") (concat "mine\n" edits-program)))))))

(ert-deftest edits-version-to-come ()
  "An edit for a version to come is refused."
  (lb-session (:files `(("a.c" . ,edits-program)) :open "a.c")
    (let ((answer (edits-line "a.c" (+ 5 (lanebridge-sync-version)) 2 "    return 0;")))
      (should (eq (plist-get answer :applied) :json-false))
      (should (equal (lb-text "a.c") edits-program)))))

(ert-deftest edits-one-stale-of-several ()
  "One stale file of several: nothing of the edit is applied."
  (lb-session (:files `(("a.c" . ,edits-program) ("b.c" . ,edits-program)) :open "a.c")
    (let ((first (lanebridge-sync-version)))
      (lb-open "b.c")
      (let* ((edit '(:range (:start (:line 0 :character 0) :end (:line 0 :character 0))
                     :newText "x"))
             (answer
              (lb-call "workspace/applyEdit"
                       (list :edit
                             (list :documentChanges
                                   (vector (list :textDocument (list :uri (lb-uri "a.c") :version first)
                                                 :edits (vector edit))
                                           (list :textDocument (list :uri (lb-uri "b.c") :version 7777)
                                                 :edits (vector edit))))))))
        (should (eq (plist-get answer :applied) :json-false))
        (should (equal (lb-text "a.c") edits-program))))))

(ert-deftest edits-undo-is-one-step ()
  "An edit is one step of the undo list, apart from what is typed before and after."
  (lb-session (:files `(("a.c" . ,edits-program)) :open "a.c")
    (buffer-enable-undo)
    (lb-keys "M-> m i n e")
    (lb-call "workspace/applyEdit"
             (list :edit
                   (list :documentChanges
                         (vector
                          (list :textDocument (list :uri (lb-uri "a.c")
                                                    :version (progn (lanebridge-sync-flush)
                                                                    (lanebridge-sync-version)))
                                :edits [(:range (:start (:line 0 :character 0)
                                                 :end (:line 0 :character 3))
                                         :newText "long")
                                        (:range (:start (:line 2 :character 11)
                                                 :end (:line 2 :character 12))
                                         :newText "0")])))))
    (lb-keys "t o o")
    (should (equal (lb-text "a.c")
                   "long main(void)\n{\n    return 0;\n}\nminetoo"))
    (lb-keys "C-/")
    (should (equal (lb-text "a.c") "long main(void)\n{\n    return 0;\n}\nmine"))
    ;; Keys of another macro redo it first.
    (lb-keys "C-/ C-/ C-/")
    (should (equal (lb-text "a.c") (concat edits-program "mine")))))

(ert-deftest edits-closed-file ()
  "A file that is not open is edited and written."
  (lb-session (:files `(("a.c" . ,edits-program) ("b.c" . ,edits-program)) :open "a.c"
               :replay (edits-fix "b.c" "    return 1;" "    return 0;"))
    (lb-ask "fix b")
    (should (equal (lb-turn) "completed"))
    (should (equal (lb-read "b.c") (edits-replace "1" "0")))
    (should-not (buffer-modified-p (get-file-buffer (lb-file "b.c"))))))

(ert-deftest edits-files ()
  "Files are made, moved and deleted."
  (lb-session (:files `(("a.c" . ,edits-program) ("gone.c" . ,edits-program)
                        ("old.c" . ,edits-program))
               :open "a.c"
               :replay (list (lb-rollout "fix")
                             (lb-patches "p" "*** Add File: sub/new.c" "+int n;"
                                         "*** Delete File: gone.c"
                                         "*** Update File: old.c" "*** Move to: moved.c" "@@"
                                         "-    return 1;" "+    return 5;")
                             (lb-says "Done.")))
    (lb-ask "fix files")
    (should (equal (lb-turn) "completed"))
    (should (equal (lb-read "sub/new.c") "int n;\n"))
    (should-not (lb-read "gone.c"))
    (should-not (lb-read "old.c"))
    (should (equal (lb-read "moved.c") (edits-replace "1" "5")))))

(ert-deftest edits-files-that-are-open ()
  "The buffer of a file follows when it is moved, and goes when it is deleted."
  (lb-session (:files `(("gone.c" . ,edits-program) ("old.c" . ,edits-program))
               :open "gone.c"
               :replay (list (lb-rollout "fix")
                             (lb-patches "p" "*** Delete File: gone.c"
                                         "*** Update File: old.c" "*** Move to: moved.c" "@@"
                                         "-    return 1;" "+    return 5;")
                             (lb-says "Done.")))
    (lb-open "old.c")
    (let ((buffer (current-buffer)))
      (lb-ask "fix files")
      (should (equal (lb-turn) "completed"))
      (should-not (get-file-buffer (lb-file "gone.c")))
      (should (equal (buffer-file-name buffer) (lb-file "moved.c")))
      (should (equal (lb-read "moved.c") (edits-replace "1" "5"))))))

(ert-deftest edits-unsaved-is-not-deleted ()
  "A file with changes that are not saved is not deleted."
  (lb-session (:files `(("a.c" . ,edits-program)) :open "a.c")
    (insert "mine\n")
    (let ((answer (lb-call "workspace/applyEdit"
                           `(:edit (:documentChanges [(:kind "delete" :uri ,(lb-uri "a.c"))])))))
      (should (eq (plist-get answer :applied) :json-false))
      (should (equal (lb-text "a.c") (concat "mine\n" edits-program))))))

(ert-deftest edits-dos ()
  "A file with DOS line ends keeps them."
  (let ((dos (string-replace "\n" "\r\n" edits-program)))
    (lb-session (:files `(("a.c" . ,dos)) :open "a.c"
                 :replay (edits-fix "a.c" "    return 1;" "    return 0;"))
      (should (= 1 (coding-system-eol-type buffer-file-coding-system)))
      (lb-ask "fix it")
      (should (equal (lb-turn) "completed"))
      (should (equal (lb-text "a.c") (edits-replace "1" "0")))
      (should (equal (lb-read "a.c") (string-replace "1" "0" dos))))))

(ert-deftest edits-mixed-line-ends ()
  "A file with both kinds of line ends, and lone carriage returns, keeps them."
  (let ((text "one\r\ntwo\rstill two\nthree\r\n    return 1;\nend\n"))
    (lb-session (:files `(("a.txt" . ,text)) :open "a.txt"
                 :replay (edits-fix "a.txt" "    return 1;" "    return 0;"))
      (lb-ask "fix it")
      (should (equal (lb-turn) "completed"))
      (should (equal (lb-read "a.txt") (string-replace "1" "0" text))))))

(ert-deftest edits-multibyte ()
  "Letters of several bytes, in every encoding of positions, and no last newline."
  (dolist (encoding '("utf-32" "utf-16" "utf-8"))
    (let ((text "Grüße, 世界 𝒳\n    return \"é𝒳\";\nlast")
          (lanebridge--capabilities
           (lanebridge--put-in (copy-tree lanebridge--capabilities)
                               '(:general :positionEncodings) (vector encoding))))
      (lb-session (:files `(("a.txt" . ,text)) :open "a.txt"
                   :replay (edits-fix "a.txt" "    return \"é𝒳\";" "    return \"ünï𝒳𝒴\";"))
        (should (eq (lanebridge-server-encoding (lanebridge-server)) (intern encoding)))
        (lb-ask "fix it")
        (should (equal (lb-turn) "completed"))
        (should (equal (lb-read "a.txt") "Grüße, 世界 𝒳\n    return \"ünï𝒳𝒴\";\nlast"))))))

(ert-deftest edits-bytes-that-are-no-text ()
  "Bytes that are no UTF-8 survive an edit of other lines."
  (let ((bytes "caf\xe9\n    return 1;\n"))
    (lb-session (:files (list (cons "a.txt" (string-to-unibyte bytes))))
      (let ((coding-system-for-read 'utf-8-unix)) (find-file-noselect (lb-file "a.txt")))
      (lb-open "a.txt")
      (edits-line "a.txt" (lanebridge-sync-version) 1 "    return 0;")
      (should (equal (lb-text "a.txt") (decode-coding-string "caf\xe9\n    return 0;\n" 'utf-8-unix)))
      (should (eq (plist-get (edits-line "a.txt" (lanebridge-sync-version) 0 "caf\uFFFD!") :applied)
                  :json-false)))))

(ert-deftest edits-unsaved ()
  "What I have not saved is seen, and not written."
  (lb-session (:files `(("a.c" . ,edits-program)) :open "a.c"
               :replay (edits-fix "a.c" "    return 1;" "    return 0;"))
    (goto-char (point-max))
    (insert "mine")
    (lb-ask "fix it")
    (should (equal (lb-turn) "completed"))
    (should (equal (lb-text "a.c") (concat (edits-replace "1" "0") "mine")))
    (should (equal (lb-read "a.c") edits-program))))

(ert-deftest edits-read-only ()
  "A buffer that is read-only is not changed, and it is said why."
  (lb-session (:files `(("a.c" . ,edits-program)) :open "a.c")
    (read-only-mode)
    (let ((answer (edits-line "a.c" (lanebridge-sync-version) 2 "    return 0;")))
      (should (eq (plist-get answer :applied) :json-false))
      (should (string-match-p "read-only" (plist-get answer :failureReason)))
      (should (equal (lb-text "a.c") edits-program)))))

(ert-deftest edits-something-else-changes-them ()
  "An edit that a hook changes is taken back."
  (lb-session (:files `(("a.c" . ,edits-program)) :open "a.c")
    (add-hook 'after-change-functions
              (lambda (beg end _) (upcase-region beg end)) nil t)
    (let ((answer (edits-line "a.c" (lanebridge-sync-version) 2 "    return zero;")))
      (should (eq (plist-get answer :applied) :json-false))
      (should (equal (lb-text "a.c") edits-program)))))

(ert-deftest edits-changed-on-disk ()
  "A file that something else has written is read again, nothing is asked."
  (lb-session (:files `(("a.c" . ,edits-program)) :open "a.c")
    (lb-write (lb-file "a.c") (concat "// theirs\n" edits-program))
    (set-file-times (lb-file "a.c") (time-add nil 5))
    (let ((answer (edits-line "a.c" (lanebridge-sync-version) 2 "    return 0;")))
      (should (eq (plist-get answer :applied) :json-false))
      (should (equal (lb-text "a.c") (concat "// theirs\n" edits-program))))))

(ert-deftest edits-read-again-after-a-command ()
  "A buffer is read again when a command changed its file."
  (lb-session (:files `(("a.c" . ,edits-program)) :open "a.c"
               :replay (list (lb-rollout "run")
                             (lb-runs "r" "sed 's/1/7/' a.c > b.c; cat b.c > a.c; touch -d '+5 seconds' a.c")
                             (lb-says "Done.")))
    (lb-ask "run it")
    (should (equal (lb-turn) "completed"))
    (lb-wait "the buffer" (equal (lb-text "a.c") (edits-replace "1" "7")))))

(ert-deftest edits-place-stays ()
  "Point and the windows stay with their lines."
  (lb-session (:files `(("a.c" . ,edits-program)) :open "a.c")
    (goto-char (point-min))
    (search-forward "return")
    (lb-call "workspace/applyEdit"
             `(:edit (:documentChanges
                      [(:textDocument (:uri ,(lb-uri "a.c") :version ,(lanebridge-sync-version))
                        :edits [(:range (:start (:line 0 :character 0) :end (:line 0 :character 0))
                                 :newText "// new\n")])])))
    (should (looking-back "return" (point-min)))
    (goto-char (point-min))
    (lb-call "workspace/applyEdit"
             `(:edit (:documentChanges
                      [(:textDocument (:uri ,(lb-uri "a.c") :version ,(lanebridge-sync-version))
                        :edits [(:range (:start (:line 0 :character 0) :end (:line 0 :character 0))
                                 :newText "// newer\n")])])))
    (should (looking-at "// new\n"))))

(ert-deftest edits-new-file-that-is-visited ()
  "A file is made that I have opened already, but not written."
  (lb-session (:files `(("a.c" . ,edits-program)) :open "a.c")
    (find-file-noselect (lb-file "new.c"))
    (let* ((uri (lb-uri "new.c"))
           (answer (lb-call "workspace/applyEdit"
                            `(:edit (:documentChanges
                                     [(:kind "create" :uri ,uri)
                                      (:textDocument (:uri ,uri :version nil)
                                       :edits [(:range (:start (:line 0 :character 0)
                                                        :end (:line 0 :character 0))
                                                :newText "int n;\n")])])))))
      (should (equal answer '(:applied t)))
      (should (equal (lb-text "new.c") "int n;\n"))
      (lb-call "lanebridge/editor/save" `(:uris [,uri]))
      (should (equal (lb-read "new.c") "int n;\n")))))

(ert-deftest edits-in-a-narrowed-buffer ()
  "An edit reaches what is narrowed away, and the narrowing stays."
  (lb-session (:files `(("a.c" . ,edits-program)) :open "a.c")
    (narrow-to-region (point-min) (+ 3 (point-min)))
    (edits-line "a.c" (lanebridge-sync-version) 2 "    return 0;")
    (should (equal (buffer-string) "int"))
    (should (equal (lb-text "a.c") (edits-replace "1" "0")))))

;;; edits.el ends here
